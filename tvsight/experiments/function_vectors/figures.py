"""Effects of heads, accuracy by number of heads, and heads that tasks share."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.ticker import MaxNLocator

from tvsight.experiments.function_vectors.numbers import CONTROLS, FUNCTION_VECTOR
from tvsight.output.labels import counted, display_name, number, sizes, task_title
from tvsight.output.marks import band, level, look_of, whiskered
from tvsight.output.panels import block_ticks, legend_above, model_panels
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES, title
from tvsight.output.theme import COLOUR_MAP, TWO_COLUMNS, new_figure

DIVERGING = "PuOr"
"""Colours of effects of both signs, with a light zero."""
SIMILARITIES = {
    "cosine": ("As they are", "#6f6f6f", "o"),
    "cosine_centred": ("Without the mean over tasks", PROCEDURES[FUNCTION_VECTOR].colour, "s"),
}
"""Names and looks of the cosines."""
NAMED = 5
"""Heads that are named in the map."""
APART = 1.07
"""The factor between the places of neighbouring controls, so that none hides another."""
SETTINGS = (
    "The function vector has a fixed number of heads and α = 1, as its authors have it. The task "
    "vector is written over, so the numbers do not say which vector holds more."
)
LEVELS = ("baseline", "icl", "task_vector", "mean_state")
"""Procedures whose mean is a level beside the curve."""


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


def by_heads(curves: pd.DataFrame, means: pd.DataFrame, count: int) -> Plot:
    """Mean test accuracy by the number of heads in the vector, a panel per model.

    Args:
        curves: from `numbers.curve`.
        means: from `numbers.over_tasks`; levels and controls.
        count: heads in a function vector, where the controls were measured.
    """
    models = list(curves["model"].unique())
    figure, panels = model_panels(models, 3.1, alone=0.7)
    for axes, model in zip(panels, models, strict=True):
        curve = curves[curves["model"] == model]
        look = look_of(FUNCTION_VECTOR) | {"linestyle": "-", "markersize": 3.6, "elinewidth": 0.8}
        places = curve["heads"].astype(float)
        whiskered(axes, curve, "accuracy", places, label=title(FUNCTION_VECTOR), **look)
        model_means = means[means["model"] == model].set_index("procedure")
        for name in LEVELS:
            level(axes, model_means.loc[name, "accuracy"], name, label=title(name))
        controls = [name for name in CONTROLS if name in model_means.index]
        for index, name in enumerate(controls):
            at = count * APART ** (index - len(controls) // 2)
            look = look_of(name) | {"markersize": 4.4, "label": title(name), "zorder": 3}
            axes.plot(
                at, model_means.loc[name, "accuracy"], clip_on=False, **look
            )  # whole at 0 too
        axes.set(xscale="log", ylim=(0, 1), xlabel="Heads in the vector (log scale)")
        ticks = sorted(set(curve["heads"].astype(int)))
        axes.set_xticks(ticks, [str(tick) for tick in ticks], minor=False)
        axes.minorticks_off()
    panels[0].set_ylabel("Mean test accuracy")
    legend_above(figure, panels[0], 3, 6.5)
    note = (
        f"Means over {counted(curves['tasks'].max(), 'task')}, zero-shot prompts. Whiskers: 95 % "
        "bootstrap intervals over tasks."
    )
    caption = (
        f"{note} The vector is added after the block that is best on dev with {count} heads. "
        f"Controls, with {count} heads where they are heads, stand side by side: see the table. "
        "Bottom heads: those of the most negative effect. The raw sum has a block of its own. "
        f"{SETTINGS}"
    )
    model_means = means[means["model"] == models[0]].set_index("procedure")["accuracy"]
    finding = (
        f"{display_name(models[0])}: function vectors of {counted(count, 'head')}, added with α = "
        f"1, answer {number(model_means[FUNCTION_VECTOR])}; task vectors, written over, "
        f"{number(model_means['task_vector'])}"
    )
    return Plot(figure, finding, caption, note)


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


def shared_heads(pairs: pd.DataFrame, model: str, count: int) -> Plot:
    """The number of heads that the function vectors of two tasks share, task by task.

    Args:
        pairs: from `head_numbers.overlap`.
        count: heads in a function vector.
    """
    model_rows = pairs[pairs["model"] == model]
    tasks = list(dict.fromkeys([*model_rows["task"], *model_rows["other"]]))
    shared = pd.DataFrame(float("nan"), index=tasks, columns=tasks)
    for _, pair in model_rows.iterrows():
        shared.loc[pair["task"], pair["other"]] = pair["shared"]
        shared.loc[pair["other"], pair["task"]] = pair["shared"]
    titles = [task_title(task) for task in tasks]
    figure = new_figure(0.8 * TWO_COLUMNS, 1.2 + 0.19 * len(tasks))
    axes = figure.subplots()
    sns.heatmap(
        shared,
        ax=axes,
        cmap=COLOUR_MAP,
        vmin=0,
        vmax=count,
        annot=len(tasks) <= 20,
        fmt=".0f",
        annot_kws={"fontsize": 6},
        xticklabels=titles,
        yticklabels=titles,
        cbar_kws={"label": f"Shared heads, of {count}", "ticks": MaxNLocator(integer=True)},
    )
    axes.tick_params(axis="both", length=0)
    mean = model_rows["shared"].mean()
    expected = model_rows["expected"].iloc[0]
    more = int(model_rows["more"].sum())
    note = (
        f"{display_name(model)}. Random sets of {count} heads share {number(expected)} on average."
    )
    caption = (
        f"{note} {more} of {len(model_rows)} pairs share more than such sets do (hypergeometric, "
        "Holm's correction, 5 %)."
    )
    finding = (
        f"Two tasks share {number(mean)} of {count} heads on average, where chance is "
        f"{number(expected)}"
    )
    return Plot(figure, finding, caption, note)
