"""Tables and figures of scores beyond accuracy, and of whole answers."""

import pandas as pd

from tvsight.config import RunConfig
from tvsight.experiments.main_results import score_figures, score_numbers
from tvsight.experiments.main_results.method_numbers import WITHOUT_VECTOR
from tvsight.experiments.main_results.score_numbers import SCORES, Earlier
from tvsight.output import columns as c
from tvsight.output.drawn import Drawn
from tvsight.output.labels import number
from tvsight.output.page import Page, Table
from tvsight.protocol.options import shown_score

FIRST_TOKEN = "whose usual answer begins with a token of at most this rank among all tokens"
ACCEPTED = (
    "whose first accepted token has at most this rank among all tokens; an answer is all tokens "
    "that accuracy accepts"
)
TABLE = Table(
    "Scores beyond accuracy",
    "A row is a procedure, averaged over tasks, on test. Top 1, 2, 3: the share of episodes "
    f"{FIRST_TOKEN}. Rank: the geometric mean. "
    "Gap: log-probability of the answer minus that of the next episode's wrong one, in nats. "
    "KL: KL(ICL ‖ procedure) over the answers of the episodes, in nats. Recovered: the share of "
    "the way from the baseline to ICL. Behind accuracy: by how much less is recovered than of "
    "accuracy, tasks paired. Tasks are: all, the translations, or the rest. [ ]: 95 % bootstrap "
    f"interval over tasks. {c.LISTS} The CSV file has every task.",
    (
        *(c.MODEL, c.PROCEDURE, c.plain("Tasks are", "group"), c.TASKS),
        *(c.estimate(f"Top {most}", f"top_{most}") for most in score_numbers.TOP),
        *(c.estimate("Rank", "rank"), c.estimate("Gap", "answer_gap")),
        c.estimate("Gap recovered", "answer_gap_recovered", but=WITHOUT_VECTOR),
        c.estimate("Gap behind accuracy", "answer_gap_behind", but=WITHOUT_VECTOR),
        c.by_list("By word list", "answer_gap_behind"),
        c.estimate("KL", "icl_divergence"),
        c.estimate("KL recovered", "icl_divergence_recovered", but=WITHOUT_VECTOR),
        c.estimate("KL behind accuracy", "icl_divergence_behind", but=WITHOUT_VECTOR),
        c.by_list("KL, by word list", "icl_divergence_behind"),
    ),
    part="scores",
    secondary=("Top 2", "Top 3"),
)


ANSWER_TABLE = Table(
    "Scores of whole answers",
    "A row is a procedure, averaged over tasks. Exact: the share of answers that equal an "
    "accepted one without case, punctuation and articles. Begins with it: the share of texts "
    "that begin with a whole accepted answer, whether or not they stop there. Goes on: those "
    "that do not stop. Recovered: of what begins with it, the share of the way from the baseline "
    "to ICL. F1: over words, with the accepted answer that suits best. First word: the share "
    "whose first word is right, without the tasks whose answers all begin with the same word, "
    "which are named. Log-probability: natural logarithm, of the whole usual answer, each token "
    "after the right ones before it. [ ]: 95 % bootstrap interval over tasks; no two of the "
    "packaged tasks of several words share a list. The CSV file has every task.",
    (
        *(c.MODEL, c.PROCEDURE, c.TASKS, c.estimate("Exact", "exact")),
        c.estimate("Begins with it", "begins"),
        c.Column("Goes on", lambda row: number(row["begins"] - row["exact"])),
        c.estimate("Recovered", "begins_recovered", but=WITHOUT_VECTOR),
        *(c.estimate("F1", "f1"), c.estimate("First word", "first_word")),
        c.of("Tasks of first word", "first_word_tasks"),
        c.named("Always the same", "constant", str, words=True),
        c.estimate("Log-probability", "answer_log_probability"),
    ),
    part="scores",
)
EXACT = "Accuracy is the share of exact answers, generated whole."
"""Ends the notes and captions of what is drawn of whole answers."""


def are_whole(rows: pd.DataFrame) -> bool:
    """Whether rows are of whole answers. The paper's numbers are not."""
    return "f1" in rows


def place(rows: pd.DataFrame, drawn: Drawn) -> Drawn:
    """The place of tables and figures: their own where rows are of whole answers."""
    return drawn.of("answers", EXACT) if are_whole(rows) else drawn


def accuracy(rows: pd.DataFrame) -> str:
    """The name of accuracies at the axes of figures."""
    return "accuracy (exact answers)" if are_whole(rows) else "accuracy"


def draw(rows: pd.DataFrame, options: RunConfig, page: Page) -> None:
    """Write and show the table of scores where rows have them, and the figures of `--score`."""
    if are_whole(rows) and shown_score(options) == "accuracy":
        table = score_numbers.answer_scores(rows)
        means = score_numbers.answers_over_tasks(table)
        page.table(ANSWER_TABLE, table, means[means["group"] == "all"])
        page.numbers(means, "scores_means")
        return
    rows = score_numbers.scored(rows)
    score = SCORES.get(name := shown_score(options))
    if rows.empty:
        if score is not None:
            page.note("No result has scores: nothing to draw.")
        return
    table = score_numbers.by_task(rows)
    means = score_numbers.over_tasks(table)
    earlier = score_numbers.earlier(rows)
    page.table(_declared(earlier), table, means)
    page.numbers(means, "scores_means")
    if score is not None:
        whole = means[means["group"] == "all"]
        for model in table["model"].unique():
            of_model = score_numbers.earlier(rows[rows["model"] == model])
            figure = score_figures.by_task(table, whole, score, model, of_model)
            page.figure(figure, name, model)


def _declared(earlier: Earlier) -> Table:
    """The table of scores, which says what they are of."""
    if earlier.results == earlier.total:
        return TABLE
    told = ACCEPTED + "." + score_figures.remark(earlier)
    return TABLE._replace(note=TABLE.note.replace(FIRST_TOKEN + ".", told))
