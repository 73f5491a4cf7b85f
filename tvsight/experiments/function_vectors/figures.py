"""Effects of heads, vectors at equal freedom, and cosines."""

from itertools import product

import numpy as np
import pandas as pd
import seaborn as sns

from tvsight.experiments.function_vectors import FACTORS, TRIED
from tvsight.experiments.function_vectors.numbers import FUNCTION_VECTOR
from tvsight.output.labels import counted, display_name, number, sizes
from tvsight.output.marks import band, grid_of_panels, look_of, rows_of, whiskered
from tvsight.output.panels import block_ticks, legend_above, model_panels
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES
from tvsight.output.theme import TWO_COLUMNS, new_figure

DIVERGING = "PuOr"
"""Colours of effects of both signs, with a light zero."""
SIMILARITIES = {
    "cosine": ("As they are", "#6f6f6f", "o"),
    "cosine_centred": ("Without the mean over tasks", PROCEDURES[FUNCTION_VECTOR].colour, "s"),
}
"""Names and looks of the cosines."""
NAMED = 5
"""Heads that are named in the map."""
SETTINGS = (
    "The function vector has a fixed number of heads and α = 1, as its authors have it. The task "
    "vector is written over, so the numbers do not say which vector holds more."
)
OPERATIONS = {"add": "Added", "overwrite": "Written over"}
APPLIED = {
    ("function_vector", "own"): "Sum of the task’s heads",
    ("function_vector", "others"): "Sum of other tasks’ heads",
    ("mean_state", "none"): "Mean state",
    ("own_mean", "none"): "Mean task vector",
}
"""The vectors at equal freedom, by procedure and by what chose the heads."""
SETTINGS_DRAWN = {"fixed": (0.17, False), "tuned": (-0.17, True)}
"""The place of each setting in its row, and whether its marker is filled."""


def head_map(heads: pd.DataFrame, table: pd.DataFrame, model: str, count: int) -> Plot:
    """The mean effect of every head over tasks, block by head.

    Args:
        heads: from `head_numbers.universal`.
        table: from `head_numbers.effects`.
        count: heads in a function vector.
    """
    rows = heads[heads["model"] == model]
    grid = rows.pivot(index="head", columns="layer", values="effect").sort_index(ascending=False)
    most = float(np.abs(grid.to_numpy()).max()) or 1.0
    high = max(1.6, 0.9 + 0.16 * len(grid))
    figure = new_figure(TWO_COLUMNS, high)
    axes = figure.subplots()
    sns.heatmap(
        grid,
        ax=axes,
        cmap=DIVERGING,
        vmin=-most,
        vmax=most,
        cbar_kws={"label": "Mean change of the\nanswer's probability", "pad": 0.01},
        linewidths=0.3,
        linecolor="white",
    )
    for _, head in rows.head(NAMED).iterrows():
        square = (head["layer"] + 0.5, list(grid.index).index(head["head"]) + 0.5)
        dark = abs(head["effect"]) > 0.6 * most
        text = f"{head['layer']}.{head['head']}"
        colour = "white" if dark else "black"
        axes.annotate(text, square, ha="center", va="center", fontsize=6, color=colour)
    axes.set(xlabel=f"Block (0–{len(grid.columns) - 1})", ylabel="Head")
    axes.tick_params(axis="both", length=0, rotation=0)
    model_rows = table[table["model"] == model]
    tasks = counted(model_rows["task"].nunique(), "task")
    searched = len(rows)
    note = (
        f"{display_name(model)}. Mean over {tasks}, {sizes(model_rows['prompts'])} prompts each; "
        f"{searched} heads were searched. Named: the {NAMED} of largest effect."
    )
    caption = (
        f"{note} The effect of a head: at the last token of a few-shot prompt with shuffled labels "
        "it is replaced by its mean over prompts with the right ones; the change of the "
        "probability of the answer's first token (AIE of Todd et al. 2024). Dev episodes."
    )
    first = rows.iloc[0]
    finding = (
        f"Head {first['head']} of block {first['layer']} has the largest mean effect, "
        f"{number(first['effect'])}; it is in the vectors of {first['in_top']} of {tasks}"
    )
    return Plot(figure, finding, caption, note)


def settings(means: pd.DataFrame) -> Plot:
    """By how much each vector falls short of ICL, added and written over, with its fixed and its
    tuned setting: a row of panels per model.

    Args:
        means: from `numbers.settings_over_tasks`, by seed; the first of each model is drawn.
    """
    means = means[means["seed"] == means.groupby("model")["seed"].transform("first")]
    models = list(means["model"].unique())
    figure = new_figure(TWO_COLUMNS, 0.8 + 1.5 * len(models))
    panels = grid_of_panels(figure, 2 * len(models), 2, sharex=True, sharey=True)
    places = product(models, OPERATIONS.items())
    for axes, (model, (operation, words)) in zip(panels, places, strict=True):
        rows = means[(means["model"] == model) & (means["operation"] == operation)]
        axes.set_title(f"{display_name(model)}\n{words}", loc="left", fontsize=7)
        axes.axvline(0, color="0.6", linewidth=0.8, zorder=0)
        for place, (name, heads_of) in enumerate(reversed(APPLIED)):
            of_vector = rows[(rows["procedure"] == name) & (rows["heads_of"] == heads_of)]
            look = look_of(name) | {"markersize": 4.4, "elinewidth": 0.8}
            for setting, (shift, filled) in SETTINGS_DRAWN.items():
                drawn = of_vector[of_vector["setting"] == setting]
                face = {} if filled else {"markerfacecolor": "white"}
                whiskered(axes, drawn, "below_icl", place + shift, upright=False, **look, **face)
        rows_of(axes, [APPLIED[of] for of in reversed(APPLIED)])
        axes.set_ylim(-0.6, len(APPLIED) - 0.4)
    for axes in panels[-2:]:
        axes.set_xlabel("Test accuracy below ICL")
    note = (
        f"Means over {counted(means['tasks'].max(), 'task')}, seed {sizes(means['seed'])}. "
        "Whiskers: 95 % intervals of the paired difference. Open: fixed; filled: tuned."
    )
    caption = (
        f"{note} Zero-shot prompts; bootstrap over tasks. Fixed: ten heads and α = 1, the block "
        f"chosen on dev. Tuned: the number of heads ({', '.join(map(str, TRIED))}), α "
        f"({', '.join(f'{of:g}' for of in FACTORS)}) and the "
        "block chosen on the same dev prompts. Every vector is one per task. Heads of other tasks "
        "are those of the largest mean effect on these; their means are of the task itself."
    )
    return Plot(figure, _finding(means), caption, note)


def _finding(means: pd.DataFrame) -> str:
    """What each of the four tuned settings answers, of the first model."""
    first = means[(means["model"] == means["model"].iloc[0]) & (means["setting"] == "tuned")]
    tuned = first.set_index(["procedure", "heads_of", "operation"])["accuracy"]
    own, mean = ("function_vector", "own"), ("own_mean", "none")
    added, written = (
        f"{number(tuned[*own, operation])} and {number(tuned[*mean, operation])}"
        for operation in OPERATIONS
    )
    return (
        f"{display_name(str(first['model'].iloc[0]))}, tuned: a sum of heads and the mean task "
        f"vector answer {added} where they are added, {written} where they are written over"
    )


def similarity(cosines: pd.DataFrame) -> Plot:
    """The cosine of function and task vector by block, a panel per model.

    Args:
        cosines: from `numbers.cosines`.
    """
    models = list(cosines["model"].unique())
    figure, panels = model_panels(models, 2.4, alone=0.6)
    for axes, model in zip(panels, models, strict=True):
        model_rows = cosines[cosines["model"] == model]
        layers = model_rows["layer"].astype(float)
        for name, (label, colour, marker) in SIMILARITIES.items():
            axes.plot(layers, model_rows[name], f"-{marker}", color=colour, ms=3, label=label)
            band(axes, layers, model_rows, name, colour, 0.2)
        axes.axhline(0, color="0.5", linewidth=0.8, zorder=1)
        axes.set(xlabel=f"Block (0–{int(layers.max())})", ylim=(-0.25, 1))
        axes.set_xticks(block_ticks(len(layers), [], 9))
    panels[0].set_ylabel("Cosine")
    legend_above(figure, panels[0], 2)
    note = (
        f"Means over {counted(cosines['tasks'].max(), 'task')}. Bands: 95 % bootstrap intervals "
        "over tasks."
    )
    caption = (
        f"{note} The function vector is one for all blocks; the task vector is the mean over dev "
        "episodes after each. Without the mean over tasks: that of each kind of vector is "
        "subtracted first."
    )
    first = cosines[cosines["model"] == models[0]]
    peak = first.iloc[int(first["cosine_centred"].fillna(-1).argmax())]
    finding = (
        "Without their means over tasks, function and task vectors have a cosine of at most "
        f"{number(peak['cosine_centred'])}"
    )
    return Plot(figure, finding, caption, note)
