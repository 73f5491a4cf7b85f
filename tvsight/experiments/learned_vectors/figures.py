"""Extracted and learned vectors, block by block."""

import pandas as pd

from tvsight.experiments.learned_vectors import OPERATIONS
from tvsight.output.labels import counted, display_name, number, of_models
from tvsight.output.marks import level, look_of, whiskered
from tvsight.output.panels import BLOCK_AXIS, axis_of_blocks, label_ends, line
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES, title
from tvsight.output.theme import TWO_COLUMNS, new_figure

SHORT = {"own_mean": "Extracted", "learned_vector": "Learned", "baseline": "Baseline", "icl": "ICL"}


def by_block(blocks: pd.DataFrame, means: pd.DataFrame, model: str) -> Plot:
    """Test accuracy against the block, a panel for each operation.

    Args:
        blocks: from `numbers.by_block`.
        means: from `numbers.over_tasks`; rows over all tasks.
    """
    blocks, means = (of[of["model"] == model] for of in (blocks, means))
    figure = new_figure(TWO_COLUMNS, 2.6)
    panels = figure.subplots(1, len(OPERATIONS), sharey=True)
    ends = []
    for axes, (use, name) in zip(panels, OPERATIONS.items(), strict=True):
        shown = blocks[blocks["operation"] == use]
        extracted, learned = (
            shown[shown["procedure"] == of] for of in ("own_mean", "learned_vector")
        )
        line(axes, extracted, "layer", "own_mean", "", marker="")
        look = look_of("learned_vector") | {"markersize": 5, "elinewidth": 0.9}
        whiskered(axes, learned, "accuracy", learned["layer"].astype(int), **look)
        values = {of: rows["accuracy"].iloc[-1] for of, rows in shown.groupby("procedure")}
        for procedure in ("baseline", "icl"):
            values[procedure] = means.loc[means["procedure"] == procedure, "accuracy"].iloc[0]
            level(axes, values[procedure], procedure)
        ends.append({SHORT[str(of)]: (y, PROCEDURES[str(of)].colour) for of, y in values.items()})
        axis_of_blocks(axes, len(extracted), learned["layer"], label=BLOCK_AXIS)
        axes.set_title(name.capitalize(), loc="left")
        axes.set_ylim(0, 1)
        axes.yaxis.grid(True)
    panels[0].set_ylabel("Mean test accuracy")
    for axes, named in zip(panels, ends, strict=True):
        label_ends(figure, axes, named)
    note = (
        f"{display_name(model)}, {counted(int(means['tasks'].max()), 'task')}. Band and whiskers: "
        "95 % bootstrap intervals over tasks."
    )
    caption = (
        f"{note} Extracted: the mean θ of a task, less the mean zero-shot state where added. "
        f"{title('learned_vector')}: trained on answers, where every task has one; each task's own "
        "blocks are in the table. Dashed: ICL and the baseline."
    )
    return Plot(figure, of_models(_finding(means)), caption, note)


def _finding(means: pd.DataFrame) -> str:
    """Extracted and learned vectors, after the blocks that were chosen for each."""
    shown = means[means["loss"].isna() | (means["loss"] == "answer")]
    found = shown.set_index(["procedure", "operation"])["accuracy"]
    parts = [
        f"{number(found['own_mean', use])} extracted and {number(found['learned_vector', use])} "
        f"learned where {name}"
        for use, name in OPERATIONS.items()
    ]
    return ", ".join(parts)
