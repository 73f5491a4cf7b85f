"""Accuracy by the factor of an added vector, context by context, and what generated text says."""

import pandas as pd
from matplotlib.axes import Axes

from tvsight.experiments.steering import ALPHAS, CONTEXTS, CONTROLS, METHODS, TOKENS, VECTOR
from tvsight.output.columns import Row
from tvsight.output.labels import counted, display_name, number
from tvsight.output.marks import legend_of, level, look_of, whiskered
from tvsight.output.panels import line, panels
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES, title
from tvsight.output.theme import TWO_COLUMNS, new_figure, tinted

CONTEXT_TITLES = {
    "zero_shot": "Zero-shot",
    "shuffled": "Shuffled labels",
    "other_task": "Another task's demonstrations",
    "template": "Another template",
    "natural": "Natural text",
}
TEXT_TITLES = {
    "exact_once": ("Applied once", "Right whole answers"),
    "exact_every": ("Applied at every token", "Right whole answers"),
    "divergence": ("Neutral text", "KL divergence (nats)"),
    "repeated_once": ("Applied once", "Repeated bigrams"),
    "repeated_every": ("Applied at every token", "Repeated bigrams"),
}
"""Title and unit of each panel about text."""
OVER = len(ALPHAS) + 0.2
"""The place of a vector that is written over; factors have the places 0, 1, and so on."""
LABELS = [*(f"{alpha:g}" for alpha in ALPHAS), "over"]
APART = 0.16
"""Between the methods at `OVER`."""
BELOW = -0.03
"""Where the axis of accuracies begins, so that controls that are never right are seen."""
SHADE = 0.16
"""Share of a method's colour in the shade of the factors with which it helps most."""


def by_alpha(means: pd.DataFrame, ranges: pd.DataFrame, model: str) -> Plot:
    """Mean test accuracy by factor, a panel per context, and one of the controls.

    Args:
        means: from `numbers.over_tasks`.
        ranges: from `numbers.ranges`.
    """
    model_rows, ranged = _placed(means[means["model"] == model]), ranges[ranges["model"] == model]
    # Bands are the intervals of the gain, around the accuracy.
    ends = {
        f"accuracy_{end}": model_rows["baseline"] + model_rows[f"gain_{end}"]
        for end in ("low", "high")
    }
    by_context = dict(iter(model_rows.assign(**ends).groupby("context")))
    contexts = [name for name in CONTEXTS if name in by_context]
    figure, drawn = panels(len(contexts) + 1, 3, 0.9)
    for axes, context in zip(drawn, contexts, strict=False):
        _levels(axes, by_context[context], context == "zero_shot")
        vectors = by_context[context][by_context[context]["procedure"] == VECTOR]
        shown = _best(ranged, context)["method"]
        for place in vectors.loc[(vectors["method"] == shown) & vectors["helps"], "place"]:
            colour = tinted(PROCEDURES[shown].colour, SHADE)
            axes.axvspan(place - 0.5, place + 0.5, color=colour, linewidth=0, zorder=0)
        _vectors(axes, vectors, "accuracy")
        axes.set_title(CONTEXT_TITLES[context], loc="left")
    best = _best(ranged, "zero_shot")["method"]
    _controls(drawn[-1], by_context["zero_shot"], best)
    drawn[-1].set_ylim(BELOW, 1)  # of all panels
    for axes in drawn[::3]:
        axes.set_ylabel("Mean test accuracy")
    for axes in drawn[-3:]:
        axes.set_xlabel("Factor α of the added vector")
    legend_of(figure, (drawn[0], drawn[-1]), ncols=4, fontsize=6.5)
    tasks = counted(model_rows["tasks"].max(), "task")
    note = (
        f"{display_name(model)}, means over {tasks}. Bands: 95 % bootstrap intervals over tasks of "
        "the gain. Shaded: where the best one helps most."
    )
    caption = (
        f"{note} A vector helps in a context where a factor has a gain over no vector whose "
        "interval is above 0 and at least 80 % of the accuracy of the vector's own best factor; "
        "with these factors it helps most. Bands are around the accuracy "
        "without a vector, tasks paired. over: the vector is written over the "
        "residual stream. A vector acts at the last token, after the block that is best for its "
        "method and mode on zero-shot dev prompts with α = 1. Controls: zero-shot, in place of the "
        f"{title(best).lower()}."
    )
    return Plot(figure, _finding(ranged), caption, note)


def _placed(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order of their factors, with their place."""
    places = rows["alpha"].map({alpha: index for index, alpha in enumerate(ALPHAS)})
    return rows.assign(place=places).sort_values("place", kind="stable")


def _levels(axes: Axes, rows: pd.DataFrame, with_icl: bool = False) -> None:
    """The accuracies without a vector."""
    plain = rows[rows["procedure"] == "baseline"].iloc[0]
    level(axes, plain["accuracy"], "baseline", label=title("baseline"))
    if with_icl:
        level(axes, plain["icl"], "icl", label=title("icl"))


def _vectors(axes: Axes, rows: pd.DataFrame, name: str) -> None:
    """A column for each method: by factor, and of the vector that is written over."""
    for number_of, method in enumerate(METHODS):
        run = rows[rows["method"] == method]
        line(axes, run[run["mode"] == "add"], "place", method, title(method), value=name)
        over = run[run["mode"] == "overwrite"]
        places = [OVER + APART * (number_of - 1)] * len(over)
        whiskered(axes, over, name, places, **look_of(method), markersize=3.4, elinewidth=0.8)
    axes.set_xticks([*range(len(ALPHAS)), OVER], LABELS)
    axes.set_xlim(-0.5, OVER + 0.5)


def _controls(axes: Axes, rows: pd.DataFrame, method: str) -> None:
    """One method's vector, and what is added in its place."""
    _levels(axes, rows)
    added = rows[(rows["method"] == method) & (rows["mode"] == "add")]
    for name in (VECTOR, *CONTROLS):
        run, drawn_as = added[added["procedure"] == name], method if name == VECTOR else name
        if len(run):
            line(axes, run, "place", drawn_as, title(drawn_as))
    axes.set_title(f"Controls of the {title(method).lower()}", loc="left")
    axes.set_xticks(range(len(ALPHAS)), LABELS[:-1])  # controls are added alone
    axes.set_xlim(-0.5, len(ALPHAS) - 0.5)


def _best(ranges: pd.DataFrame, context: str) -> pd.Series:
    """The method with the best factor in a context."""
    rows = ranges[ranges["context"] == context]
    return rows.iloc[int(rows["best"].argmax())]


def spelt(ranges: Row | pd.Series) -> str:
    """`0.5 to 2`, the factors that help most."""
    low, high = (f"{ranges[f'{end}_alpha']:g}" for end in ("least", "most"))
    return low if low == high else f"{low} to {high}"


def _finding(ranges: pd.DataFrame) -> str:
    """Where the method helps that is best in zero-shot prompts, and the best one written over."""
    best = _best(ranges, "zero_shot")
    zero_shot = ranges[ranges["context"] == "zero_shot"]
    over = zero_shot.iloc[int(zero_shot["overwrite"].argmax())]
    reached = f"({number(best['best'])} at best, {number(best['baseline'])} without)"
    written = (
        f"written over, the {title(over['method']).lower()} reaches {number(over['overwrite'])}"
    )
    if not best["helping"]:
        nowhere = "Added to zero-shot prompts, no vector is shown to help with any α"
        return f"{nowhere} {reached}; {written}"
    others = ranges[(ranges["method"] == best["method"]) & (ranges["context"] != "zero_shot")]
    helps = int((others["helping"] > 0).sum())
    return (
        f"Added zero-shot, the {title(best['method']).lower()} helps most with α = {spelt(best)} "
        f"{reached}; it helps in {helps} of {counted(len(others), 'other context')}; {written}"
    )


def in_text(means: pd.DataFrame, model: str) -> Plot:
    """Whole answers, repeated bigrams and divergence on neutral text by factor.

    Args:
        means: from `numbers.in_text`.
    """
    model_rows = means[means["model"] == model]
    plain = model_rows[model_rows["procedure"] == "baseline"].iloc[0]
    figure = new_figure(TWO_COLUMNS, 4.6)
    *drawn, rest = figure.subplots(2, 3).ravel()
    for axes, (name, (heading, label)) in zip(drawn, TEXT_TITLES.items(), strict=True):
        _vectors(axes, _placed(model_rows), name)
        axes.set_title(heading, loc="left")
        axes.set(xlabel="Factor α", ylabel=label)
        axes.yaxis.grid(True)
        if name == "divergence":
            axes.set_ylim(0, None)
        else:
            level(axes, plain[name], "baseline", label=title("baseline"))
            axes.set_ylim(BELOW, 1)
    rest.axis("off")
    rest.legend(*drawn[0].get_legend_handles_labels(), loc="center left")
    note = (
        f"{display_name(model)}, means over {counted(model_rows['tasks'].max(), 'task')}. Bands: "
        "95 % bootstrap intervals over tasks."
    )
    caption = (
        f"{note} {TOKENS} tokens are generated after zero-shot prompts, with the vector at their "
        "last token, or at every generated token too. Right whole answers: exact match of "
        "the text up to the template's end of an answer. Repeated bigrams: 1 − different / all. "
        "Neutral text: the divergence of the next token's distribution with a vector at the last "
        "token from that without. over: the vector is written over the residual stream."
    )
    return Plot(figure, _finding_in_text(model_rows), caption, note)


def _finding_in_text(means: pd.DataFrame) -> str:
    """The vector that makes most whole answers right when it is applied once, and how much the
    largest factor repeats."""
    vectors = means[means["procedure"] == VECTOR]
    best = vectors.iloc[int(vectors["exact_once"].argmax())]
    best_rows = vectors[(vectors["method"] == best["method"]) & (vectors["mode"] == "add")]
    large = best_rows.iloc[int(best_rows["alpha"].argmax())]
    applied = "Written over" if best["mode"] == "overwrite" else f"Added with α = {best['alpha']:g}"
    once, every = number(best["exact_once"]), number(best["exact_every"])
    repeated = number(large["repeated_every"])
    return (
        f"{applied} once, the {title(best['method']).lower()} makes {once} of whole answers right, "
        f"at every token {every}; added with α = {large['alpha']:g} at every token it makes "
        f"{repeated} of bigrams repeat, once {number(large['repeated_once'])}"
    )
