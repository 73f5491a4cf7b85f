"""Kinds of wrong test answers, and which answer is given for which, from stored rows."""

from collections.abc import Mapping

import pandas as pd

from tvsight.protocol.answer_sets import accepted_answers
from tvsight.statistics.summaries import TASK, by_group
from tvsight.tasks import packaged_tasks
from tvsight.tasks.matching import matches

PROCEDURES = ("icl", "task_vector")
KINDS = ("query", "other_language", "other_task", "in_set", "other")
"""Of a wrong answer, the first that fits: the query itself or its beginning, the answer of a
translation into another language or of another packaged task to the same query, an answer of the
task to another query, or anything else."""
RUN = ["model", "task"]
MOST_ANSWERS = 12
"""Different answers of a task up to which a confusion matrix can be read."""
OTHER = "other"
"""A prediction that is no answer of the task."""


def by_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Wrong test answers by kind: one row per model, task and procedure.

    Returns:
        `model`, `category`, `task`, `procedure`, `n` (episodes), `wrong`, each of `KINDS` (numbers
        of wrong answers), `confused_with` (the other task whose answer is given most often; empty
        where none is), and `examples` (the three most frequent wrong answers with their numbers).
    """
    known = {
        names: (*accepted_answers(task_rows), _other_tasks(str(names[1])))
        for names, task_rows in rows.groupby(RUN, sort=False, observed=True)
    }

    def summary(run: pd.DataFrame) -> dict[str, object]:
        answers, rule, others = known[run["model"].iloc[0], run["task"].iloc[0]]
        every = {answer for query_answers in answers.values() for answer in query_answers}
        wrong = run[~run["correct"]]
        texts = wrong["predicted"].str.strip()
        kinds, named = [], []
        for query, predicted in zip(wrong["query"].str.strip(), texts, strict=True):
            other = _answered_by(predicted, query, others)
            if predicted and query.lower().startswith(predicted.lower()):
                kinds.append("query")
            elif other:
                kinds.append("other_language" if _translates(other, run) else "other_task")
                named.append(other)
            else:
                in_set = any(matches(predicted, answer, rule) for answer in every)
                kinds.append("in_set" if in_set else "other")
        often = texts.value_counts().head(3)
        return {
            **{"n": len(run), "wrong": len(wrong), **{kind: kinds.count(kind) for kind in KINDS}},
            "confused_with": max(named, key=named.count) if named else "",
            "examples": ", ".join(f"{text} ({count})" for text, count in often.items()),
        }

    tested = rows[(rows["split"] == "test") & rows["procedure"].isin(PROCEDURES)]
    return by_group(tested, [*TASK, "procedure"], summary, order=RUN)


def confusion(rows: pd.DataFrame) -> pd.DataFrame:
    """How often each answer is given for each, of tasks with at most `MOST_ANSWERS` of them.

    Returns:
        One row per model, task, procedure, `expected` and `given` that occurs: `times`, and `n`,
        how often that answer is expected. A prediction that matches no answer is `OTHER`.
    """
    answers = rows["expected"].str.strip()
    known = rows.assign(expected=answers, of=rows.groupby(RUN, sort=False, observed=True).ngroup())
    few = known.groupby("of")["expected"].transform("nunique").between(2, MOST_ANSWERS)
    if not few.any():
        return pd.DataFrame()
    usual = {
        names: (sorted(set(task_rows["expected"])), accepted_answers(task_rows)[1])
        for names, task_rows in known[few].groupby(RUN, observed=True)
    }

    def given(row: pd.Series) -> str:
        every, rule = usual[row["model"], row["task"]]
        same = (answer for answer in every if matches(row["predicted"], answer, rule))
        return str(row["expected"]) if row["correct"] else next(same, OTHER)

    test = known[few & (known["split"] == "test") & known["procedure"].isin(PROCEDURES)]
    named = test.assign(given=test.apply(given, axis=1)).astype(dict.fromkeys(RUN, str))
    expected = ["of", *RUN, "procedure", "expected"]
    counts = named.groupby(expected, observed=True)["given"].value_counts()
    table = counts.rename("times").reset_index()
    table["n"] = table.groupby(expected)["times"].transform("sum")
    return table[["procedure", "expected", "given", "times", "n", *RUN]]


def _other_tasks(task: str) -> dict[str, Mapping[str, tuple[str, ...]]]:
    """The answers of every other packaged task by input."""
    return {
        name: {pair.input: pair.answers for pair in other.pairs}
        for name, other in packaged_tasks().items()
        if name != task
    }


def _translates(other: str, run: pd.DataFrame) -> bool:
    """Whether a task translates from the language that the task of some rows does."""
    task, known = str(run["task"].iloc[0]), packaged_tasks()
    categories = {known[name].category for name in (task, other) if name in known}
    return categories == {"translation"} and task.split("_")[0] == other.split("_")[0]


def _answered_by(
    predicted: str, query: str, others: Mapping[str, Mapping[str, tuple[str, ...]]]
) -> str:
    """The first task that a prediction answers this query in; empty where there is none."""
    known = packaged_tasks()
    for name, answers in others.items():
        if any(matches(predicted, answer, known[name].match) for answer in answers.get(query, ())):
            return name
    return ""
