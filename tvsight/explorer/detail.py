"""One task of one run: its episodes, answers and numbers after each block, for the page."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from tvsight.experiments.token_projections import numbers as projections
from tvsight.explorer.overview import curve, plain, share
from tvsight.explorer.runs import Run
from tvsight.prompts.episodes import SPLITS
from tvsight.protocol.answer_sets import accepted_answers, in_answer_set
from tvsight.protocol.head_numbers import effects
from tvsight.storage.store import Store
from tvsight.texts import printable

TOKENS = 10
"""The most probable tokens that are shown after a block."""
FURTHER = ("methods", "method_answers", "controls")
"""Experiments that answer the queries of the central comparison in other ways."""
HUNDREDTHS = 100
"""Log-probabilities and margins are kept in these parts of a nat."""
ANSWERED = [
    *("procedure", "split", "layer", "episode", "query", "predicted", "correct"),
    *("log_probability", "margin"),
]
"""The columns of answers that are shown."""
STEERED = ["context", "procedure", "method", "mode", "alpha"]
ABLATED = ["replaced_by", "kind", "share", "heads"]


class Words:
    """Every text of one task once, with what must not be shown raw written out."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def of(self, texts: Iterable[str]) -> list[int]:
        """The numbers of some texts in `all`."""
        return [self._numbers.setdefault(text, len(self._numbers)) for text in texts]

    @property
    def all(self) -> list[str]:
        """Every text, in the order of its number."""
        return [printable(text) for text in self._numbers]


def task_detail(run: Run, task: str, store: Store) -> dict[str, Any]:
    """What the page shows of a task.

    Returns:
        `words`, in which other entries name texts by number; `episodes` by split; `test`, the
        answers of each procedure; `swept`, those of each vector on dev after every block, blocks
        one after the other; `curves`, dev accuracy after each block by procedure; `tokens`,
        `ranks`, `effects`, `ablated`, `steered`: rows of further experiments, where these were
        measured.
    """
    words = Words()
    (central,) = run.of(run.central, task)
    results = [central, *(one for name in FURTHER for one in run.of(name, task))]
    answers, rule = accepted_answers(central.rows)
    test: dict[str, Any] = {}
    swept: dict[str, Any] = {}
    curves: dict[str, Any] = {}
    for one in results:
        rows = one.rows.loc[one.rows["procedure"] != "mean_vector", ANSWERED]
        rows = rows.assign(in_set=in_answer_set(rows, answers, rule))
        for (named, split), of_run in rows.groupby(["procedure", "split"], sort=False):
            name = str(named)
            if one.experiment == "controls" and one.method:
                continue  # those of the task vector have the same names
            if split == "test":
                test[name] = _answers(of_run, words) | {"accuracy": plain(share(of_run))}
            elif one.experiment != "controls":
                swept[name] = _answers(of_run, words)
            if split == "dev" and of_run["layer"].notna().all():
                curves[name] = curve(of_run)
    further = {
        "curves": curves,
        **_projected(run, task, central.rows),
        **_heads(run, task),
        "steered": _means(run, "steering", task, STEERED),
    }
    episodes = _episodes(central.rows, store.episodes(central.path), words)
    own = {"words": words.all, "episodes": episodes, "test": test, "swept": swept}
    return own | plain(further)


def _answers(rows: pd.DataFrame, words: Words) -> dict[str, Any]:
    """The answers of one procedure on one split, by block and episode."""
    ordered = rows.sort_values(["layer", "episode"])
    layers = ordered["layer"].dropna()
    numbers = {
        name: np.rint(HUNDREDTHS * ordered[name].to_numpy(dtype=float)).astype(int).tolist()
        for name in ("log_probability", "margin")
    }
    return {
        "layer": int(layers.iloc[0]) if layers.nunique() == 1 else None,
        "said": words.of(ordered["predicted"]),
        "right": _bits(ordered["correct"]),
        "inSet": _bits(ordered["in_set"]),
        "log": numbers["log_probability"],
        "margin": numbers["margin"],
    }


def _episodes(
    rows: pd.DataFrame, stored: pd.DataFrame | None, words: Words
) -> dict[str, list[dict[str, Any]]]:
    """The episodes of each split; those without a table of their own have no demonstrations."""
    known = {} if stored is None else stored.set_index(["split", "episode"]).to_dict("index")
    asked_once = rows[["split", "episode", "query", "expected"]].drop_duplicates()
    found: dict[str, list[dict[str, Any]]] = {}
    for split in SPLITS:
        of_split = asked_once[asked_once["split"] == split].sort_values("episode")
        found[split] = []
        for row in of_split.to_dict("records"):
            asked, usual = words.of([row["query"], row["expected"]])
            episode: dict[str, Any] = {"query": asked, "expected": usual}
            shown = known.get((split, row["episode"]), {})
            names = ("accepted", "inputs", "answers", "dummies", "prompt")
            found[split].append(episode | {n: words.of(shown[n]) for n in names if n in shown})
    return found


def _projected(run: Run, task: str, central: pd.DataFrame) -> dict[str, Any]:
    """The most probable tokens of the task's mean vector after each block, and the ranks of its
    answers and words."""
    results = [one for one in run.of("token_projections", task) if not one.method]
    if not results:
        return {}
    rows = projections.with_chosen(results[0].rows, central)
    top = projections.top_tokens(rows, TOKENS)
    names = {"shown": "token", "is_answer": "answer", "describes": "describes"}
    shown = top[["layer", "probability", *names]].rename(columns=names)
    ranks = projections.ranks(rows)[["kind", "word", "layer", "rank"]]
    return {"tokens": _records(shown), "ranks": _records(ranks)}


def _heads(run: Run, task: str) -> dict[str, Any]:
    """The mean effect of every head, and the accuracy of ICL without heads."""
    found = {"ablated": _means(run, "heads", task, ABLATED)}
    for one in run.of("head_effects", task)[:1]:
        found["effects"] = _records(effects(one.rows)[["layer", "head", "effect"]])
    return found


def _means(run: Run, experiment: str, task: str, keys: list[str]) -> list[dict[str, Any]]:
    """Test accuracy of each condition of an experiment; empty where it was not measured."""
    found = []
    for one in run.of(experiment, task)[:1]:
        test = one.rows[one.rows["split"] == "test"]
        means = test.groupby(keys, sort=False, dropna=False)["correct"].mean()
        found += _records(means.rename("accuracy").reset_index())
    return found


def _bits(values: pd.Series) -> str:
    return "".join("1" if value else "0" for value in values.tolist())


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
