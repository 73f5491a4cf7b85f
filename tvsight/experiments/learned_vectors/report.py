"""Tables and the figure of learned vectors."""

import pandas as pd

from tvsight.experiments.learned_vectors import LOSSES, OPERATIONS, Options, figures, numbers
from tvsight.experiments.learned_vectors.request import collect
from tvsight.output import columns as c
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.output.labels import MISSING
from tvsight.output.page import Page, Table
from tvsight.run.outcome import Outcome
from tvsight.statistics.summaries import apart

__all__ = ["collect", "draw"]

OPERATION = c.named("Operation", "operation", OPERATIONS.__getitem__)
SEES = {
    ("task_vector", None): "{shots} pairs",
    ("own_mean", None): "{all} × {shots} pairs",
    ("learned_vector", "answer"): "{train} labels",
    ("learned_vector", "icl"): "{train} ICL runs",
    ("learned_vector", "permuted"): "{train} wrong labels",
}
"""The material of a vector, by procedure and loss."""
BLOCKS = Table(
    "Extracted and learned vectors by block",
    "A row is a block after which every task has such a vector. [ ]: 95 % bootstrap interval over "
    "tasks. Learned: from answers. Test accuracy.",
    (*(c.MODEL, OPERATION, c.BLOCK, c.PROCEDURE, c.TASKS), c.estimate("Accuracy", "accuracy")),
    part="by_block",
)


def _table(options: Options) -> Table:
    """The 2 × 2, the loss without labels and the controls, with what each vector is made from."""
    size = options.episodes_per_split
    sizes = {"shots": options.shots, "all": size, "train": size - size // 5}

    def sees(row: c.Row) -> str:
        loss: str | None = None if pd.isna(row["loss"]) else row["loss"]
        return SEES.get((row["procedure"], loss), MISSING).format(**sizes)

    return Table(
        "Extracted and learned vectors, written over and added",
        "A row is a mean over tasks. [ ]: 95 % bootstrap interval over tasks. Own mean vector: the "
        "mean θ of the dev episodes, less the mean zero-shot state where it is added. Learned: "
        "trained by gradient on four fifths of the dev queries; the others end the training and "
        "choose the block. Extracted vectors choose theirs on dev. Made from: at most, for queries "
        "occur twice; an ICL run brings no label. Over extracted: over the own mean vector of the "
        "same operation, tasks paired. Fitted: of the training queries, those answered as trained. "
        "Cosine, length: of the change of the mean zero-shot state, against the extracted one. "
        "Permuted answers: each training query has that of another one, and the block is the one "
        "chosen with right ones. Answers of dev, others: accuracy on queries whose answer a dev "
        f"query has, and on the others, over the tasks with both. {c.LISTS} {c.SOLVED} The CSV "
        "file has every task.",
        (
            *(c.MODEL, c.PROCEDURE, OPERATION, c.named("Aim", "loss", LOSSES.__getitem__)),
            *(c.Column("Made from", sees), c.TASKS, c.general("Block (median)", "layer")),
            *(c.estimate("Accuracy", "accuracy"), c.by_list("By word list", "accuracy")),
            *(*c.apart(), c.estimate("Recovered gap", "recovered_gap")),
            *(
                c.estimate("Over extracted", "over_extracted"),
                c.estimate("ICL ahead", "behind_icl"),
            ),
            c.of_solved("Better than extracted (Holm)", "better"),
            *(c.of_solved("ICL better (Holm)", "better_icl"), c.POWER),
            *(c.number("Answers of dev", "dev_answer"), c.number("Others", "new_answer")),
            *(c.number("Fitted", "fitted"), c.number("Cosine", "cosine")),
            *(c.number("Length", "norm_ratio"), c.number("Steps", "steps")),
        ),
        brief=("Procedure", "Operation", "Aim", "Made from", "Accuracy", "Recovered gap"),
        filed=("By word list", "Power", "Steps", "Answers of dev", "Others"),
    )


def draw(outcome: Outcome, options: Options, display: Display, drawn: Drawn) -> None:
    """Write tables and figures, and show the tables."""
    page, table = Page(display, drawn), numbers.by_task(outcome.table)
    means, blocks = numbers.over_tasks(table), numbers.by_block(outcome.table)
    whole = apart(means, numbers.CONDITION)
    page.table(_table(options), table, whole, notes=outcome.note_cells)
    page.numbers(means, "means")
    page.table(BLOCKS, blocks)
    for model in map(str, whole["model"].unique()):
        page.figure(figures.by_block(blocks, whole, model), model)
