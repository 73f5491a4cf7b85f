"""Accuracy with each vector, context by context, and what the factor of an added one does."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from tvsight.experiments.steering import ALPHAS, CONTEXTS, METHODS, TOKENS, VECTOR
from tvsight.output.columns import Row
from tvsight.output.labels import counted, display_name, number
from tvsight.output.lettering import wrapped
from tvsight.output.marks import grid_of_panels, legend_of, level, look_of, rows_of, whiskered
from tvsight.output.panels import PANEL_NAME, line
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES, title
from tvsight.output.theme import TWO_COLUMNS, new_figure

CONTEXT_TITLES = {
    "zero_shot": "Zero-shot",
    "shuffled": "Shuffled labels",
    "other_task": "Another task's demonstrations",
    "template": "Another template",
    "natural": "Natural text",
}
NAME_ROOM = 1.0
"""Width of the name of a context, in inches."""
WAYS = {
    "baseline": ("s", "no vector"),
    "best": ("^", "added, best α"),
    "overwrite": ("o", "written over"),
}
"""Marker and name of what is drawn in a context, by its column."""
SHIFT = {"baseline": 0.0, "best": 0.12, "overwrite": -0.12}
FACTOR_TITLES = {
    "accuracy": "First token, zero-shot",
    "exact_once": "Whole answer, once",
    "exact_every": "Whole answer, every token",
    "divergence": "KL, neutral text (nats)",
    "repeated_once": "Repeated bigrams, once",
    "repeated_every": "Repeated, every token",
}
"""Title of each panel by factor."""
OVER = len(ALPHAS) + 0.2
"""The place of a vector that is written over; factors have the places 0, 1, and so on."""
LABELS = [*(f"{alpha:g}" for alpha in ALPHAS), "over"]
APART = 0.16
"""Between the methods at `OVER`."""
LOWEST = -0.03
"""Where axes of shares begin, so that what is never right is seen."""


def by_context(means: pd.DataFrame, ranges: pd.DataFrame, model: str) -> Plot:
    """Mean test accuracy without a vector, with the best factor and written over: a panel per
    vector, a row per context.

    Args:
        means: from `numbers.over_tasks`.
        ranges: from `numbers.ranges`.
    """
    model_means, model_rows = (of[of["model"] == model] for of in (means, ranges))
    contexts = [name for name in CONTEXTS if name in set(model_rows["context"])]
    figure = new_figure(TWO_COLUMNS, 0.8 + 0.36 * len(contexts))
    drawn = grid_of_panels(figure, len(METHODS), len(METHODS), sharex=True, sharey=True)
    for axes, method in zip(drawn, METHODS, strict=True):
        rows = model_rows[model_rows["method"] == method].set_index("context").loc[contexts]
        places = pd.Series(range(len(contexts))[::-1], contexts, dtype=float)
        for column, (marker, name) in WAYS.items():
            colour = PROCEDURES["baseline" if column == "baseline" else method].colour
            look: Any = {"fmt": marker, "color": colour, "label": name, "elinewidth": 0.9}
            hollow = {"markerfacecolor": "white"} if column == "overwrite" else {}
            at = places + SHIFT[column]
            whiskered(axes, rows, column, at, upright=False, **look, **hollow, markersize=4.5)
        icl: Any = {"color": PROCEDURES["icl"].colour, "linestyle": "--", "linewidth": 1.1}
        axes.axvline(model_means["icl"].iloc[0], label=title("icl"), zorder=1, **icl)
        axes.set(xlim=(LOWEST, 1), ylim=(-0.5, len(contexts) - 0.5), xlabel="Mean test accuracy")
        axes.set_xticks([0, 0.5, 1])
        axes.set_title(title(method), loc="left", fontsize=PANEL_NAME)
        rows_of(axes, [wrapped(CONTEXT_TITLES[c], NAME_ROOM, PANEL_NAME) for c in contexts], places)
    legend_of(figure, drawn[:1], ncols=4)
    note = (
        f"{display_name(model)}, means over {counted(model_rows['tasks'].max(), 'task')}. "
        "Whiskers: 95 % bootstrap intervals over tasks."
    )
    caption = (
        f"{note} Added: with the best of the factors {', '.join(LABELS[:-1])} in this context, "
        "chosen on test. Over: the vector is written over the residual stream. A vector acts at "
        "the last token, after the block that is best for its method and mode on zero-shot dev "
        "prompts with α = 1. ICL: of the task's own demonstrations. Paired gains are in the tables."
    )
    return Plot(figure, _finding(model_rows, model), caption, note)


def by_factor(means: pd.DataFrame, text: pd.DataFrame, model: str) -> Plot:
    """Zero-shot accuracy, whole answers, repeated bigrams and divergence on neutral text by factor.

    Args:
        means: from `numbers.over_tasks`.
        text: from `numbers.in_text`.
    """
    text_rows = text[text["model"] == model]
    zero_shot = means[(means["model"] == model) & (means["context"] == "zero_shot")]
    figure = new_figure(TWO_COLUMNS, 4.4)
    drawn = grid_of_panels(figure, len(FACTOR_TITLES), 3)
    for axes, (name, heading) in zip(drawn, FACTOR_TITLES.items(), strict=True):
        rows = zero_shot if name == "accuracy" else text_rows
        _vectors(axes, rows[rows["procedure"] == VECTOR], name)
        axes.set_title(heading, loc="left", fontsize=PANEL_NAME)
        axes.set_xlabel("Factor α")
        axes.yaxis.grid(True)
        if name == "divergence":
            axes.set_ylim(0, None)
        else:
            plain = rows.loc[rows["procedure"] == "baseline", name].iloc[0]
            level(axes, plain, "baseline", label=title("baseline"))
            axes.set_ylim(LOWEST, 1)
    level(drawn[0], zero_shot["icl"].iloc[0], "icl", label=title("icl"))
    legend_of(figure, drawn[:1], ncols=3)
    note = (
        f"{display_name(model)}, means over {counted(text_rows['tasks'].max(), 'task')}. Bands: "
        "95 % bootstrap intervals over tasks."
    )
    caption = (
        f"{note} {TOKENS} tokens are generated after zero-shot prompts, with the vector at their "
        "last token (once), or at every generated token too. Whole answer: exact match of the text "
        "up to the template's end of an answer. Repeated bigrams: 1 − different / all. Neutral "
        "text: the divergence of the next token's distribution with a vector at the last token "
        "from that without. over: the vector is written over the residual stream."
    )
    return Plot(figure, _finding_in_text(text_rows, model), caption, note)


def spelt(ranges: Row | pd.Series) -> str:
    """`0.5 to 2`, the factors that help most."""
    low, high = (f"{ranges[f'{end}_alpha']:g}" for end in ("least", "most"))
    return low if low == high else f"{low} to {high}"


def _vectors(axes: Axes, rows: pd.DataFrame, name: str) -> None:
    """A line for each method: by factor, and a point of the vector that is written over."""
    places = {alpha: index for index, alpha in enumerate(ALPHAS)}
    placed = rows.assign(place=rows["alpha"].map(places)).sort_values("place", kind="stable")
    for number_of, method in enumerate(METHODS):
        run = placed[placed["method"] == method]
        line(axes, run[run["mode"] == "add"], "place", method, title(method), value=name)
        over = run[run["mode"] == "overwrite"]
        at = [OVER + APART * (number_of - 1)] * len(over)
        whiskered(axes, over, name, at, **look_of(method), markersize=3.4, elinewidth=0.8)
    axes.set_xticks([*range(len(ALPHAS)), OVER], LABELS)
    axes.set_xlim(-0.5, OVER + 0.5)


def _finding(ranges: pd.DataFrame, model: str) -> str:
    """The vectors that reach most in zero-shot prompts, written over and added."""
    zero_shot = ranges[ranges["context"] == "zero_shot"]
    over, added = (zero_shot.iloc[int(zero_shot[way].argmax())] for way in ("overwrite", "best"))
    return (
        f"{display_name(model)}, zero-shot: the {title(over['method']).lower()} reaches "
        f"{number(over['overwrite'])} written over, added at most {number(added['best'])} "
        f"({title(added['method']).lower()}, α = {added['best_alpha']:g})"
    )


def _finding_in_text(means: pd.DataFrame, model: str) -> str:
    """The vector that makes most whole answers right when it is applied once."""
    vectors = means[means["procedure"] == VECTOR]
    best = vectors.iloc[int(vectors["exact_once"].argmax())]
    applied = "written over" if best["mode"] == "overwrite" else f"added with α = {best['alpha']:g}"
    return (
        f"{display_name(model)}: {applied} once, the {title(best['method']).lower()} makes "
        f"{number(best['exact_once'])} of whole answers right, at every token "
        f"{number(best['exact_every'])}"
    )
