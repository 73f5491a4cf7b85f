"""Tables and the figure of learned vectors."""

from collections.abc import Callable

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
LOSS = c.named("Learned from", "loss", LOSSES.__getitem__)
VECTORS = (c.MODEL, c.PROCEDURE, OPERATION, LOSS)


def _budget(options: Options) -> Callable[[c.Row], str]:
    """What a vector is made from."""
    episodes, shots = options.episodes_per_split, options.shots
    known = {"task_vector": f"{shots} pairs", "own_mean": f"{episodes} × {shots} pairs"}
    train = episodes - episodes // 5
    learned = {
        "answer": f"{train} labels",
        "icl": f"{train} ICL runs, no labels",
        "permuted": f"{train} wrong labels",
    }

    def text(row: c.Row) -> str:
        if row["procedure"] == "learned_vector":
            return learned[row["loss"]]
        return known.get(row["procedure"], MISSING)

    return text


def _table(options: Options) -> Table:
    return Table(
        "Extracted and learned vectors, written over and added",
        "A row is a mean over tasks. [ ]: 95 % bootstrap interval over tasks. Own mean vector: the "
        "mean θ of the dev episodes, minus the mean zero-shot state where it is added. Learned: "
        "trained by gradient on four fifths of the dev queries; the others end the training and "
        "choose the block. Extracted vectors choose theirs on dev. Made from: at most; a query "
        "that occurs twice is one label. Over extracted: over the own mean vector of the same "
        "operation, tasks paired. Fitted: of the training queries, those answered as trained. "
        "Cosine, length: of the change of the mean zero-shot state, against the extracted one. "
        "Permuted answers: each query has that of another one, all steps are taken, and the block "
        f"is that chosen with right ones. {c.LISTS} {c.SOLVED} The CSV file has every task.",
        (
            *(*VECTORS, c.Column("Made from", _budget(options)), c.TASKS),
            *(c.general("Block (median)", "layer"), c.estimate("Accuracy", "accuracy")),
            *(c.by_list("By word list", "accuracy"), *c.apart()),
            c.estimate("Recovered gap", "recovered_gap"),
            *(
                c.estimate("Over extracted", "over_extracted"),
                c.estimate("ICL ahead", "behind_icl"),
            ),
            c.of_solved("Better than extracted (Holm)", "better"),
            *(c.of_solved("ICL better (Holm)", "better_icl"), c.POWER),
            *(c.number("Fitted", "fitted"), c.number("Cosine", "cosine")),
            *(c.number("Length", "norm_ratio"), c.number("Steps", "steps")),
        ),
        brief=("Procedure", "Operation", "Learned from", "Made from", "Accuracy", "Recovered gap"),
    )


BLOCKS = Table(
    "Extracted and learned vectors by block",
    "A row is a block after which vectors were learned from answers, written over or added. [ ]: "
    "95 % bootstrap interval over the tasks that have one there. Test accuracy.",
    (
        *(c.MODEL, OPERATION, c.BLOCK, c.TASKS, c.estimate("Extracted", "extracted")),
        *(c.estimate("Learned", "learned"), c.estimate("Difference", "difference")),
    ),
    part="by_block",
)
ANSWERS = Table(
    "Answers that dev has, and answers that it does not have",
    "A row is a mean over the tasks that have both. [ ]: 95 % bootstrap interval over tasks. Test "
    "accuracy on queries whose usual answer is that of a dev query, and on the others.",
    (
        *(*VECTORS, c.TASKS, c.estimate("Answers of dev", "dev_answer")),
        *(c.estimate("Other answers", "new_answer"), c.estimate("Difference", "difference")),
    ),
    part="new_answers",
)


def draw(outcome: Outcome, options: Options, display: Display, drawn: Drawn) -> None:
    """Write tables and figure, and show the tables, of the first seed."""
    page, rows = Page(display, drawn), outcome.of_seed(options.seed[0]).table
    table = numbers.by_task(rows)
    means = apart(numbers.over_tasks(table), numbers.CONDITION)
    blocks, curves = numbers.by_block(rows), numbers.extracted_by_block(rows)
    page.table(_table(options), table, means, notes=outcome.note_cells)
    page.numbers(means, "means")
    page.table(BLOCKS, blocks)
    answers = numbers.new_answers(table)
    if len(answers):
        page.table(ANSWERS, answers)
    for model in map(str, pd.unique(means["model"])):
        page.figure(figures.by_block(blocks, curves, means, model), model)
