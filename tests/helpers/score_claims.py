"""Claims of the README and of docs/findings.md about scores beyond accuracy and whole answers."""

import pandas as pd

from tests.helpers.reference_tables import GEMMA, row
from tvsight.output.labels import interval, number


def mean(procedure: str) -> pd.Series:
    return row("main_results_scores_means", model=GEMMA, procedure=procedure)


def whole(procedure: str) -> pd.Series:
    return row("main_results_answers_scores_means", model=GEMMA, procedure=procedure)


def exact(task: str, procedure: str) -> str:
    return number(row("main_results_answers", model=GEMMA, task=task)[procedure])


def claims_of_answers() -> dict[str, str]:
    """Every claim about whole answers, by a short name."""
    icl, vector = (whole(name) for name in ("icl", "task_vector"))
    gap = row("main_results_answers_means", model=GEMMA, resampled="tasks")
    return {
        "exact answers": (
            f"ICL is exact for {interval(icl, 'exact')} of the queries, the task vector for "
            f"{interval(vector, 'exact')}"
        ),
        "gap of exact answers": f"recovers {interval(gap, 'recovered_gap')} of the gap",
        "first word": (
            f"The first word is right for {interval(icl, 'first_word')} with ICL and "
            f"{interval(vector, 'first_word')} with the vector"
        ),
        "tasks of exact answers": (
            f"`book_author` goes from {exact('book_author', 'icl')} with ICL to "
            f"{exact('book_author', 'task_vector')} with the vector, `verb_past_perfect` from "
            f"{exact('verb_past_perfect', 'icl')} to {exact('verb_past_perfect', 'task_vector')}"
        ),
    }


def claims_of_scores() -> dict[str, str]:
    """Every claim, by a short name."""
    baseline, icl, vector = (mean(name) for name in ("baseline", "icl", "task_vector"))
    return {
        "recovered scores": (
            f"it recovers {interval(vector, 'answer_gap_recovered')} of the log-probability that "
            "demonstrations move from a wrong answer to the right one, and removes "
            f"{interval(vector, 'icl_divergence_recovered')} of the divergence from ICL"
        ),
        "rank": (
            f"The answer has mean rank {number(baseline['rank'])} zero-shot, "
            f"{number(vector['rank'])} with the vector and {number(icl['rank'])} with ICL"
        ),
        "top three": (
            f"it is among the three most probable tokens for {interval(vector, 'top_3')} of the "
            f"queries with the vector and {interval(icl, 'top_3')} with ICL"
        ),
        "log-probability": (
            f"Its log-probability against a wrong answer is {interval(baseline, 'answer_gap')} "
            f"nats zero-shot, {interval(vector, 'answer_gap')} with the vector and "
            f"{interval(icl, 'answer_gap')} with ICL"
        ),
        "divergence": (
            f"KL(ICL ‖ zero-shot) over the answers is {interval(baseline, 'icl_divergence')} nats, "
            f"KL(ICL ‖ task vector) {interval(vector, 'icl_divergence')}"
        ),
    }
