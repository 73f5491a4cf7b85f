"""Extracted and learned vectors, block by block."""

import pandas as pd

from tvsight.experiments.learned_vectors import OPERATIONS
from tvsight.output.labels import counted, display_name, number, of_models
from tvsight.output.marks import level, look_of, whiskered
from tvsight.output.panels import BLOCK_AXIS, Ends, axis_of_blocks, label_ends, line
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES, title
from tvsight.output.theme import TWO_COLUMNS, new_figure

SHORT = {"baseline": "Baseline", "icl": "ICL"}


def by_block(blocks: pd.DataFrame, curves: pd.DataFrame, means: pd.DataFrame, model: str) -> Plot:
    """Test accuracy against the block, a panel for each operation.

    Args:
        blocks: from `numbers.by_block`.
        curves: from `numbers.extracted_by_block`.
        means: from `numbers.over_tasks`; rows over all tasks.
    """
    blocks, curves, means = (of[of["model"] == model] for of in (blocks, curves, means))
    figure = new_figure(TWO_COLUMNS, 2.6)
    drawn = figure.subplots(1, len(OPERATIONS), sharey=True)
    depth, tasks = int(curves["layer"].max()) + 1, int(means["tasks"].max())
    ends: list[Ends] = []
    for axes, (use, name) in zip(drawn, OPERATIONS.items(), strict=True):
        curve, points = (of[of["operation"] == use] for of in (curves, blocks))
        named = line(axes, curve, "layer", "own_mean", "Extracted", marker="")
        shared = points[points["every"]]
        look = look_of("learned_vector") | {"markersize": 5, "elinewidth": 0.9}
        whiskered(axes, shared, "learned", shared["layer"], **look)
        if len(shared):
            end = (shared["learned"].iloc[-1], PROCEDURES["learned_vector"].colour)
            named["Learned"] = end
        for procedure, short in SHORT.items():
            value = means.loc[means["procedure"] == procedure, "accuracy"].iloc[0]
            level(axes, value, procedure)
            named[short] = (value, PROCEDURES[procedure].colour)
        axis_of_blocks(axes, depth, shared["layer"], label=BLOCK_AXIS)
        axes.set_title(name.capitalize(), loc="left")
        axes.set_ylim(0, 1)
        axes.yaxis.grid(True)
        ends.append(named)
    drawn[0].set_ylabel("Mean test accuracy")
    for axes, named in zip(drawn, ends, strict=True):
        label_ends(figure, axes, named)
    note = (
        f"{display_name(model)}, {counted(tasks, 'task')}. Bands and whiskers: 95 % bootstrap "
        "intervals over tasks."
    )
    caption = (
        f"{note} Extracted: the mean θ of a task, less the mean zero-shot state where added. "
        f"{title('learned_vector')}: trained on answers after these blocks of every task. Dashed: "
        "ICL and the baseline."
    )
    return Plot(figure, of_models(_finding(means)), caption, note)


def _finding(means: pd.DataFrame) -> str:
    """Extracted and learned, after the blocks that were chosen for each."""

    def accuracy(procedure: str, use: str) -> str:
        own = means[(means["procedure"] == procedure) & (means["operation"] == use)]
        own = own[own["loss"].isna() | (own["loss"] == "answer")]
        return number(own["accuracy"].iloc[0])

    parts = [
        f"{name} {accuracy('own_mean', use)} extracted, {accuracy('learned_vector', use)} learned"
        for use, name in OPERATIONS.items()
    ]
    return f"{parts[0].capitalize()}; {parts[1]}"
