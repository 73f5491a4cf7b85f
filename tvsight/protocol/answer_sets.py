"""The set of a task's answers: chance, and recognition of the set against learning of the mapping.

All of it comes from stored rows and the packaged tasks. Answers are compared as texts, by the
task's matching rule, without a tokenizer.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tvsight.output import columns as c
from tvsight.output.page import Table
from tvsight.statistics.summaries import Mean, Ratio, by_group, over_tasks, right, sizes
from tvsight.tasks import MatchRule, packaged_tasks
from tvsight.tasks.matching import matches
from tvsight.tasks.overlap import word_lists

RECOGNITION = Table(
    "Answers of the task, and the right ones among them",
    "A row is a procedure, averaged over tasks. In the answer set: the share of predictions that "
    "are an answer of the task to some query (recognition of the task). Right among them: accuracy "
    "within that set (learning of the mapping). Tasks are: all, the translations, or the rest. "
    f"[ ]: 95 % bootstrap interval over tasks. {c.LISTS}",
    (
        *(c.MODEL, c.PROCEDURE, c.plain("Tasks are", "group"), c.TASKS),
        *(c.estimate("An answer of the task", "in_set"), c.by_list("By word list", "in_set")),
        c.estimate("Right among these", "accuracy_in_set"),
        c.by_list("Right, by word list", "accuracy_in_set"),
        c.estimate("Right", "accuracy"),
    ),
    part="recognition",
    secondary=["Right"],
)


def chance(rows: pd.DataFrame) -> dict[str, Any]:
    """The accuracy of always giving the most frequent answer of a task.

    The answers are those of the pairs that demonstrations are drawn from: all pairs of a packaged
    task, before the tokenizer's filter, and of a user's own task the pairs that were queries. The
    answer is scored as a whole word; a model's first token of it would count for a wrong answer
    that begins with the same token.

    Args:
        rows: of one model and task, on dev and test.

    Returns:
        `chance` (accuracy on the test episodes), `chance_answer`, `chance_share` (the share of
        pairs that have this answer).
    """
    answers, rule = accepted_answers(rows)
    usual = Counter(query_answers[0] for query_answers in answers.values())
    ((most, count),) = usual.most_common(1)
    test = rows.loc[rows["split"] == "test", ["episode", "query"]].drop_duplicates("episode")
    right = [_is_one_of(most, answers[query.strip()], rule) for query in test["query"]]
    return {
        "chance": sum(right) / len(right),
        "chance_answer": most,
        "chance_share": count / len(answers),
    }


def recognition(rows: pd.DataFrame) -> pd.DataFrame:
    """How many test predictions are answers of the task at all, and how many of these are right.

    A procedure may pass on which answers there are (recognition) or which belongs to which input
    (learning). Without an idea of the task both are low.

    Args:
        rows: predictions of any procedures.

    Returns:
        One row per model, task and procedure: `model`, `category`, `task`, `procedure`, `n`
        (episodes), `queries`, `accuracy`, `in_set` (share of predictions that match an answer of
        the task to any input) and `accuracy_in_set` (share of those that are right; none where
        there is none), each with `_low` and `_high`.
    """
    accepted = {
        names: accepted_answers(task_rows)
        for names, task_rows in rows.groupby(["model", "task"], sort=False, observed=True)
    }

    def summary(run: pd.DataFrame) -> dict[str, Any]:
        in_set = in_answer_set(run, *accepted[run["model"].iloc[0], run["task"].iloc[0]])
        known = run.assign(in_set=in_set)
        return {
            **sizes(run),
            **right(run),
            **right(known, "in_set", "in_set"),
            **right(known[in_set], "accuracy_in_set"),
        }

    keys = ["model", "category", "task", "procedure"]
    return by_group(rows[rows["split"] == "test"], keys, summary, order=["model", "task"])


def in_answer_set(
    rows: pd.DataFrame, answers: Mapping[str, Sequence[str]], rule: MatchRule
) -> "pd.Series[bool]":
    """Which predictions are an answer of the task to some input.

    Args:
        rows: predictions of one task.
        answers, rule: from `accepted_answers`.
    """
    every = {answer for query_answers in answers.values() for answer in query_answers}
    texts = rows["predicted"][~rows["correct"]].unique()
    known = [text for text in texts if _is_one_of(text, every, rule)]
    return rows["correct"] | rows["predicted"].isin(known)


def recognition_over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means of `recognition` over tasks, with bootstrap intervals over tasks.

    Returns:
        The columns of `summaries.over_tasks` with word lists: `accuracy`, `in_set`, and
        `accuracy_in_set`, the ratio of these two means, so that a task counts by its predictions in
        the set.
    """
    among = Ratio(lambda means: means[..., 0] / means[..., 1], ("accuracy", "in_set"))
    means: dict[str, Mean] = {"accuracy": "accuracy", "in_set": "in_set", "accuracy_in_set": among}
    return over_tasks(table, ["procedure"], means, lists=word_lists)


def accepted_answers(rows: pd.DataFrame) -> tuple[dict[str, tuple[str, ...]], MatchRule]:
    """The accepted answers of each input of one task, and its matching rule: of a user's own task
    the usual answers of its queries, compared exactly."""
    asked = rows[["query", "expected"]].drop_duplicates("query")
    pairs = zip(asked["query"].str.strip(), asked["expected"].str.strip(), strict=True)
    by_query: dict[str, tuple[str, ...]] = {query: (answer,) for query, answer in pairs}
    task = packaged_tasks().get(str(rows["task"].iloc[0]))
    if task is None:
        return by_query, "exact"
    return by_query | {pair.input: pair.answers for pair in task.pairs}, task.match


def _is_one_of(text: str, answers: "set[str] | tuple[str, ...]", rule: MatchRule) -> bool:
    if rule == "exact":
        return text.strip() in answers
    return any(matches(text, answer, rule) for answer in answers)
