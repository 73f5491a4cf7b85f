from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from statistics import median
from string import ascii_lowercase
from typing import Any, NamedTuple, cast

import pandas as pd
import pytest
import torch
from torch import Tensor

from tests.helpers.completed import complete
from tests.helpers.example_rows import outcome_of, task_rows
from tests.helpers.reference import Reference
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.config import RunConfig
from tvsight.errors import MeasurementError, UsageError
from tvsight.execution.here import Here
from tvsight.execution.jobs import Steps
from tvsight.execution.ndif.preflight import rehearse
from tvsight.experiments.token_projections import NAME
from tvsight.experiments.token_projections.measure import random_vectors
from tvsight.experiments.token_projections.request import (
    DRAWS,
    TOP,
    TokenProjections,
    collect,
    first_tokens,
    requests,
    word_tokens,
)
from tvsight.models.loading import Model, load
from tvsight.models.sources import ModelSource
from tvsight.prompts import Episode, template, usable_pairs
from tvsight.run.outcome import Measured, Outcome
from tvsight.run.planning import Experiment, Plan, read_plan
from tvsight.run.runner import Runner
from tvsight.storage.contents import DamagedResult, check_rows
from tvsight.storage.manifests import Key
from tvsight.storage.schemas import schema
from tvsight.storage.store import Store
from tvsight.storage.task_vectors import TaskVectors
from tvsight.tasks import Pair, Task, packaged_tasks

EXAMPLE = template("example")
ANSWERS = zip(ascii_lowercase, cycle(("C", "B", "hot")))
PAIRS = tuple(Pair(given, (answer,)) for given, answer in ANSWERS)
TASK = Task("own", "custom", "", "prefix", PAIRS, "", words=("cold", "xyz"))
SOURCE = ModelSource("directory", "a-model", "/nowhere/a-model")
IDENTITY = {
    "experiment": NAME,
    "model": "qwen2",
    "task": "own",
    "draws": DRAWS,
    "words": ["cold", "xyz"],
}
MEAN = 3 * torch.randn(DEPTH, WIDTH, generator=torch.Generator().manual_seed(1))


class Given(TaskVectors):
    """A mean vector that was made by hand, of some tasks."""

    def __init__(self, mean: Tensor = MEAN, *keys: Key) -> None:
        super().__init__(Store("/nowhere"), dict.fromkeys(keys, Path("/nowhere")))
        self.vector = mean

    def mean(self, model: str, task: str) -> Tensor:
        return self.vector


class Projected(NamedTuple):
    """The projections of a task on a tiny model."""

    model: Model
    reference: Reference
    rows: pd.DataFrame

    def log_probabilities(self, vector: Tensor) -> Tensor:
        """What the checkpoint itself makes of a vector that stands after its last block."""
        return self.reference.answer([1], DEPTH - 1, vector).log_probabilities

    def of(self, vector: str, **values: Any) -> pd.DataFrame:
        rows = self.rows[self.rows["vector"] == vector]
        for name, value in values.items():
            rows = rows[rows[name] == value]
        return rows


# A final logit cap, a block that returns a tuple, no final norm but a projection.
@pytest.fixture(scope="module", params=["qwen2", "gemma2", "gptj", "opt_projected"])
def projected(request: pytest.FixtureRequest, tiny_checkpoint: Callable[[str], Path]) -> Projected:
    checkpoint = tiny_checkpoint(request.param)
    model = load(str(checkpoint), device="cpu")
    rows = complete(steps(model), model.decoder).rows
    return Projected(model, Reference(checkpoint), rows)


@pytest.fixture(scope="module")
def rows(model: Model) -> pd.DataFrame:
    return complete(steps(model), model.decoder).rows


def planned(**options: Any) -> Plan:
    return read_plan(RunConfig(tasks="to_upper,antonyms", **options))


def steps(model: Model, mean: Tensor = MEAN, plan: Plan | None = None) -> Steps[Measured]:
    """Those of a request for the task."""
    return TokenProjections(plan or planned(), {}, TASK, Given(mean)).steps(model)


def usable(model: Model) -> list[tuple[str, str]]:
    kept = usable_pairs(TASK, model.tokenizer, EXAMPLE, model.name).pairs
    return [(pair.input, pair.answer) for pair in kept]


def test_top_tokens_are_those_of_the_checkpoint_itself(projected: Projected) -> None:
    pairs = usable(projected.model)
    answers = set(first_tokens(projected.model.tokenizer, EXAMPLE, pairs, "own"))
    for layer in range(DEPTH):
        expected = projected.log_probabilities(MEAN[layer]).topk(TOP)
        found = projected.of("task", kind="top", layer=layer)
        assert found["rank"].tolist() == list(range(1, TOP + 1))
        assert found["token_id"].tolist() == expected.indices.tolist()
        assert found["probability"].tolist() == pytest.approx(
            expected.values.exp().tolist(), rel=1e-4
        )
        texts = [projected.model.tokenizer.decode([token]) for token in found["token_id"]]
        assert found["token"].tolist() == texts
        assert found["is_answer"].tolist() == [t in answers for t in found["token_id"]]


def test_ranks_and_probabilities_are_those_of_the_checkpoint_itself(projected: Projected) -> None:
    tokenizer, pairs = projected.model.tokenizer, usable(projected.model)
    prompt = EXAMPLE.query(pairs[0][0])
    (job,) = next(steps(projected.model))
    groups = {
        None: first_tokens(tokenizer, EXAMPLE, pairs, "own"),
        **{word: word_tokens(tokenizer, prompt, word, "own") for word in TASK.words},
    }
    vectors = {("task", 0): MEAN}
    drawn = enumerate(random_vectors(MEAN, DRAWS, job.arguments[-1]))
    vectors |= {("random", draw): vector for draw, vector in drawn}
    for (name, draw), vector in vectors.items():
        for layer in range(DEPTH):
            log_probabilities = projected.log_probabilities(vector[layer])
            for word, tokens in groups.items():
                places = [
                    1 + int((log_probabilities > log_probabilities[token]).sum())
                    for token in tokens
                ]
                found = projected.of(name, draw=draw, layer=layer)
                found = found[found["kind"] != "top"]
                is_group = found["token"].isna() if word is None else found["token"] == word
                (row,) = found[is_group].to_dict("records")
                assert row["kind"] == ("answers" if word is None else "description")
                assert row["rank"] == (median(places) if word is None else min(places))
                summed = float(log_probabilities[tokens].exp().sum())
                assert row["probability"] == pytest.approx(summed, rel=1e-4)
                assert row["tokens"] == len(tokens)


def test_rows_have_the_columns_and_types_that_are_promised(rows: pd.DataFrame) -> None:
    columns = schema(NAME).columns
    assert list(rows) == list(columns)
    assert rows.dtypes.astype(str).to_dict() == columns
    assert set(rows["kind"]) == {"top", "answers", "description"}
    assert check_rows(rows, IDENTITY) is None


def test_vectors_are_read_in_parts_rehearsed_and_on_a_server(
    model: Model, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = complete(steps(model), model.decoder, Here(simulated=True)).rows
    pd.testing.assert_frame_equal(shipped, rows)
    (job,) = next(steps(model))
    assert max(token for tokens in job.arguments[1] for token in tokens) > 64
    rehearse(job, model.decoder, model.dtype)
    monkeypatch.setattr("tvsight.experiments.token_projections.measure.ROWS", 2)
    in_parts = complete(steps(model), model.decoder).rows
    pd.testing.assert_frame_equal(in_parts, rows)


def test_queries_of_replayed_episodes_are_read_instead_of_pairs(model: Model) -> None:
    episodes = tuple(
        Episode("own", split, (("a", "C"),), query, (answer, "z"), ("e",))
        for split in ("dev", "test")
        for query, answer in (("b", "C"), ("a", "C"), ("c", "B"), ("d", "hot"))
    )
    plan = replace(planned(), replayed={"own": episodes})
    (job,) = next(steps(model, plan=plan))
    pairs = [("b", "C"), ("a", "C"), ("c", "B"), ("d", "hot")]
    assert job.arguments[1][0] == first_tokens(model.tokenizer, EXAMPLE, pairs, "own")
    measured = complete(steps(model, plan=plan), model.decoder)
    assert measured.notes is not None
    assert measured.notes["replayed"]["kept"] == 8


def test_a_task_without_vectors_is_left_out() -> None:
    vectors = Given(MEAN, Key("a-model", "antonyms"), Key("b-model", "to_upper"))
    (one,) = requests(planned(), SOURCE, vectors)
    assert one.name == "antonyms"
    words = list(packaged_tasks()["antonyms"].words)
    expected = {"words": words, "top": 100, "draws": 8, "draw_seed": 0}
    assert {name: one.identity[name] for name in expected} == expected


class Results:
    """A runner that has the central comparison of two tasks and lacks some projections."""

    def __init__(self, *projected: str) -> None:
        self.projected = projected

    def outcome(self, config: RunConfig, experiment: Experiment) -> Outcome:
        names = [one.name for one in experiment(planned(), SOURCE)]
        name = experiment(planned(), SOURCE)[0].identity["experiment"]
        there = names if name == "main_results" else self.projected
        missing = {Key("a-model", task): "no vector" for task in names if task not in there}
        rows = [task_rows(task, (1, 2, 3, 4)) for task in there]
        return Outcome(outcome_of(*rows, experiment=name).results, missing)

    def after(self, first: str, config: RunConfig, name: str, experiment: Experiment) -> Outcome:
        assert (first, name) == ("main_results", NAME)
        return self.outcome(config, experiment)


def collected(*projected: str) -> Outcome:
    return collect(cast(Runner, Results(*projected)), RunConfig())


def test_both_experiments_are_collected() -> None:
    outcome = collected("to_upper")
    assert [one.key.task for one in outcome.only("main_results").results] == [
        "to_upper",
        "antonyms",
    ]
    assert [one.key.task for one in outcome.only(NAME).results] == ["to_upper"]
    assert outcome.failures == {("a-model", "antonyms"): "no vector"}
    outcome = collected()  # without projections there is nothing to draw
    assert outcome.results == []
    assert set(outcome.failures) == {("a-model", "to_upper"), ("a-model", "antonyms")}


def test_a_word_is_found_in_every_spelling_of_one_token(model: Model) -> None:
    tokenizer, prompt = model.tokenizer, EXAMPLE.query("b")
    texts = [tokenizer.decode([token]) for token in word_tokens(tokenizer, prompt, "cold", "own")]
    assert texts == [" cold"]
    letters = {tokenizer.decode([token]) for token in word_tokens(tokenizer, prompt, "x", "own")}
    assert letters == {"x", "X"}
    first = {tokenizer.decode([token]) for token in word_tokens(tokenizer, prompt, "XYz", "own")}
    assert first == {" ", "x", "X"}
    with pytest.raises(UsageError, match="Task own: '' has no token of its own"):
        first_tokens(model.tokenizer, EXAMPLE, [("a", "b"), ("c", "")], "own")


def test_a_vector_that_is_no_number_is_an_error(model: Model) -> None:
    spoilt = MEAN.clone()
    spoilt[2, 0] = torch.nan
    with pytest.raises(MeasurementError, match="NaN"):
        complete(steps(model, spoilt), model.decoder)


SPOILT: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "a top token is missing": lambda rows: rows.drop(rows.index[3]),
    "a top token is twice": lambda rows: pd.concat([rows, rows.iloc[[3]]]),
    "a rank is twice": lambda rows: changed(rows, 3, "rank", 1.0),
    "a rank is no rank": lambda rows: changed(rows, 3, "rank", 0.0),
    "a rank is not a number": lambda rows: changed(rows, 3, "rank", float("nan")),
    "a probability is above 1": lambda rows: changed(rows, 3, "probability", 1.1),
    "a probability is not a number": lambda rows: changed(rows, 3, "probability", float("nan")),
    "answers are missing": lambda rows: rows.drop(rows.index[rows["kind"] == "answers"][1]),
    "a word is missing": lambda rows: rows.drop(rows.index[-1]),
    "another word": lambda rows: changed(rows, -1, "token", "hot"),
    "a block is missing": lambda rows: rows[rows["layer"] != 2],
    "a draw is missing": lambda rows: rows[rows["draw"] != DRAWS - 1],
    "an unknown vector": lambda rows: changed(rows, -1, "vector", "mean"),
    "a top token of a random vector": lambda rows: changed(rows, 3, "vector", "random"),
}


def changed(rows: pd.DataFrame, row: int, column: str, value: Any) -> pd.DataFrame:
    rows = rows.copy()
    rows.iloc[row, rows.columns.get_loc(column)] = value
    return rows


@pytest.mark.parametrize("spoilt", SPOILT)
def test_incomplete_rows_are_damaged(rows: pd.DataFrame, spoilt: str) -> None:
    with pytest.raises(DamagedResult):
        check_rows(SPOILT[spoilt](rows), IDENTITY)


def test_rows_must_be_those_of_the_manifest(rows: pd.DataFrame) -> None:
    for other in ({"draws": DRAWS + 1}, {"draws": 10**12}, {"draws": None}, {"words": ["cold"]}):
        with pytest.raises(DamagedResult):
            check_rows(rows, IDENTITY | other)
