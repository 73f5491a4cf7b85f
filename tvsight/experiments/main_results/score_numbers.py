"""Scores beyond accuracy, on test and after every block, with intervals."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tvsight.output.procedures import CENTRAL
from tvsight.protocol.answer_sets import accepted_answers
from tvsight.statistics import summaries
from tvsight.statistics.intervals import recovered_gap
from tvsight.statistics.summaries import Ratio, averaged, beside, by_group, gap, right, sizes
from tvsight.storage.schemas import EARLIER_SCORES, SPELLINGS
from tvsight.tasks.overlap import word_lists
from tvsight.tasks.whole_answers import begins, normalised

TOP = (1, 2, 3)
"""Ranks up to which answers are counted."""
KEYS = ["model", "category", "task", "procedure"]
OF_ANSWERS = ("exact", "begins", "f1", "answer_log_probability")
"""Scores of whole answers that every task has."""
RECOVERED = ("answer_gap", "icl_divergence")
"""Scores of which the share of the way from the baseline to ICL is taken."""


class Score(NamedTuple):
    """One score of an answer."""

    column: str
    """In rows and tables; a table has its mean."""
    title: str
    less_is_better: bool
    is_ratio: bool = False
    """Whether means are geometric, and axes logarithmic."""


SCORES = {
    "gap": Score("answer_gap", "Log-probability gap (nats)", less_is_better=False),
    "kl": Score("icl_divergence", "KL to ICL (nats)", less_is_better=True),
    "rank": Score("rank", "Rank of the answer", less_is_better=True, is_ratio=True),
}
"""By the name that `--score` takes."""
MEASURED = tuple(score.column for score in SCORES.values())


class Earlier(NamedTuple):
    """How many results have scores of one token, the usual answer's first, instead of all tokens
    that accuracy accepts."""

    results: int
    total: int


def scored(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that have scores; results of schema version 1 have none."""
    return rows[rows["rank"].notna()] if set(EARLIER_SCORES) <= set(rows) else rows[:0]


def earlier(rows: pd.DataFrame) -> Earlier:
    """How many results an earlier version scored.

    Args:
        rows: from `scored`.
    """
    known = rows.get(SPELLINGS, pd.Series(np.nan, rows.index)).notna()
    by_result = known.groupby([rows["model"], rows["task"]], observed=True).all()
    return Earlier(int((~by_result).sum()), len(by_result))


def by_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Scores on test: one row per model, task and procedure.

    Args:
        rows: from `scored`.

    Returns:
        `KEYS`, `n` (episodes), `queries`; `accuracy`; `top_1` to `top_3`, the share of episodes
        whose usual answer has at most this rank; `rank`, its geometric mean; and the means of
        `log_probability`, `answer_gap` and `icl_divergence`, in nats. Each with `_low` and `_high`.
    """

    def summary(run: pd.DataFrame) -> dict[str, float]:
        row: dict[str, float] = {**sizes(run), **right(run)}
        for most in TOP:
            row |= right(run.assign(top=run["rank"] <= most), f"top_{most}", "top")
        return row | _means(run, ("log_probability", *MEASURED), run["query"])

    return by_group(rows[rows["split"] == "test"], KEYS, summary)


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks, with bootstrap intervals over tasks.

    Args:
        table: from `by_task`.

    Returns:
        The columns of `summaries.over_tasks` with word lists: the scores of `by_task`; of accuracy,
        the gap and the divergence `<score>_recovered`, the share of the way from the baseline to
        ICL, of means; and of the last two `<score>_behind`, by how much less is recovered than of
        accuracy, tasks paired.
    """
    names = ("accuracy", *(f"top_{most}" for most in TOP), "log_probability", *MEASURED)
    recovered = ("accuracy", *RECOVERED)
    ends = {f"{end}_{name}": (end, name) for end in ("baseline", "icl") for name in recovered}
    of = {name: (f"baseline_{name}", f"icl_{name}", name) for name in recovered}
    means: dict[str, summaries.Mean] = {
        **{name: name for name in names},
        "rank": Ratio(lambda logs: np.exp(logs[..., 0]), ("rank",)),
        **{f"{name}_recovered": Ratio(recovered_gap, columns) for name, columns in of.items()},
        **{
            f"{name}_behind": Ratio(_behind, (*of["accuracy"], *of[name]), difference=True)
            for name in RECOVERED
        },
    }
    known = beside(table, ends).assign(rank=np.log(table["rank"].astype(float)))
    return summaries.over_tasks(known, ["procedure"], means, lists=word_lists)


def by_layer(rows: pd.DataFrame) -> pd.DataFrame:
    """Scores on dev: one row per model, task, procedure and block.

    Args:
        rows: from `scored`.

    Returns:
        `KEYS`, `layer` (none for the baseline), `n` (episodes), and the mean of each of `MEASURED`;
        of the rank the geometric one.
    """
    return _plain_means(rows[rows["split"] == "dev"], [*KEYS, "layer"], "n")


def layers_over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks on dev: one row per model, procedure and block.

    Args:
        table: from `by_layer`.

    Returns:
        `model`, `procedure`, `layer`, `tasks` and each of `MEASURED`.
    """
    return _plain_means(table, ["model", "procedure", "layer"], "tasks")


def answer_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """Scores of whole answers on test: one row per model, task and procedure.

    Returns:
        `model`, `category`, `task`, `procedure`, `n` (episodes), `queries`, and with `_low` and
        `_high`: shares of exact answers, of texts that begin with a whole right answer, stopping
        there or not, and of right first words; mean F1, and the mean natural logarithm of the whole
        usual answer's probability. Intervals of means are bootstraps over queries. `constant` is
        the first word that all answers of a task have; there `first_word` shows nothing, and is
        empty.
    """
    test = rows[rows["split"] == "test"]
    texts = dict(iter(test.groupby(["model", "task"], sort=False, observed=True)))
    known = {names: accepted_answers(task_rows)[0] for names, task_rows in texts.items()}
    firsts = {
        names: {normalised(answers[0]).split(" ")[0] for answers in of.values()}
        for names, of in known.items()
    }

    def summary(run: pd.DataFrame) -> dict[str, object]:
        names = (run["model"].iloc[0], run["task"].iloc[0])
        texts = zip(run["predicted"], run["query"].str.strip(), strict=True)
        whole = [begins(text, query, known[names][query]) for text, query in texts]
        first_word = right(run, "first_word", "first_word")
        constant = min(firsts[names]) if len(firsts[names]) == 1 else ""
        return {
            **sizes(run),
            **right(run, "exact"),
            **right(run.assign(whole=whole), "begins", "whole"),
            **averaged(run, ["f1"], run["query"]),
            **(dict.fromkeys(first_word, np.nan) if constant else first_word),
            **averaged(run, ["answer_log_probability"], run["query"]),
            "constant": constant,
        }

    return by_group(test, KEYS, summary)


def answers_over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks, with bootstrap intervals over tasks.

    Args:
        table: from `answer_scores`.

    Returns:
        The columns of `summaries.over_tasks` with word lists: `OF_ANSWERS`; `begins_recovered`, the
        recovered gap of `begins`; and `first_word`, over the `first_word_tasks` whose first word is
        not `constant`, with `_low` and `_high`.
    """
    means: dict[str, summaries.Mean] = {name: name for name in OF_ANSWERS}
    means["begins_recovered"] = gap("begins")

    def more(run: pd.DataFrame) -> dict[str, object]:
        told = run[run["first_word"].notna()]
        constant = run.loc[run["constant"] != "", ["task", "constant"]]
        named = [f"{task} ({word})" for task, word in constant.itertuples(index=False)]
        words = averaged(told, ["first_word"])
        return {**words, "first_word_tasks": len(told), "constant": ", ".join(named)}

    known = beside(table, {end: (end, "begins") for end in ("baseline", "icl")})
    return summaries.over_tasks(known, ["procedure"], means, more=more, lists=word_lists)


def procedures(table: pd.DataFrame) -> list[str]:
    """The procedures in a table, those of the central comparison first."""
    found = [str(name) for name in table["procedure"].unique()]
    return sorted(found, key=lambda name: CENTRAL.index(name) if name in CENTRAL else len(CENTRAL))


def best(means: pd.DataFrame, score: Score) -> pd.Series:
    """The row with the best mean of a score; of several, the first."""
    values = means[score.column]
    return means.iloc[int(values.argmin() if score.less_is_better else values.argmax())]


def _behind(means: NDArray[np.float64]) -> NDArray[np.float64]:
    return recovered_gap(means[..., :3]) - recovered_gap(means[..., 3:])


def _means(
    table: pd.DataFrame, names: Sequence[str], groups: pd.Series | None = None
) -> dict[str, float]:
    """The means of columns with their intervals; of the rank the geometric one."""
    means = averaged(table.assign(rank=np.log(table["rank"].astype(float))), names, groups)
    return {n: float(np.exp(of)) if n.startswith("rank") else of for n, of in means.items()}


def _plain_means(table: pd.DataFrame, keys: list[str], count: str) -> pd.DataFrame:
    """The means of each of `MEASURED` over groups, and the numbers of rows; of the rank the
    geometric one."""
    known = table.assign(rank=np.log(table["rank"].astype(float)))
    groups = known.groupby(keys, sort=False, observed=True, dropna=False)
    means = groups[list(MEASURED)].mean().assign(**{count: groups.size()}).reset_index()
    return means.assign(rank=np.exp(means["rank"]))
