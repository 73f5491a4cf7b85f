from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pandas as pd
import pytest
import torch
from torch import Tensor

from tests.helpers.reference import Reference
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.errors import MeasurementError, UsageError
from tvsight.execution import Here, complete
from tvsight.execution.ndif.preflight import rehearse
from tvsight.experiments.token_projections import NAME as TOKEN_PROJECTIONS
from tvsight.experiments.token_projections.measure import (
    first_tokens,
    measure_projections,
    project,
    random_vectors,
    word_tokens,
)
from tvsight.models.loading import Model, load
from tvsight.prompts import template
from tvsight.storage.contents import DamagedResult, check_rows
from tvsight.storage.schemas import schema
from tvsight.tasks import Pair, Task

EXAMPLE = template("example")
PAIRS = [("b", "C"), ("a", "C"), ("c", "B"), ("d", "hot")]
TASK = Task("own", "custom", "", "exact", (Pair("a", ("C",)),), "", words=("cold", "xyz"))
TOP, DRAWS, SEED = 7, 3, 5
IDENTITY = {
    "experiment": TOKEN_PROJECTIONS,
    "model": "qwen2",
    "task": "own",
    "draws": DRAWS,
    "words": ["cold", "xyz"],
}
MEAN = 3 * torch.randn(DEPTH, WIDTH, generator=torch.Generator().manual_seed(1))


class Measured(NamedTuple):
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
def measured(request: pytest.FixtureRequest, tiny_checkpoint: Callable[[str], Path]) -> Measured:
    checkpoint = tiny_checkpoint(request.param)
    model = load(str(checkpoint), device="cpu")
    rows = complete(steps(model), model.decoder)
    return Measured(model, Reference(checkpoint), rows)


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Callable[[str], Path]) -> Model:
    return load(str(tiny_checkpoint("qwen2")), device="cpu")


@pytest.fixture(scope="module")
def rows(model: Model) -> pd.DataFrame:
    return complete(steps(model), model.decoder)


def steps(model: Model, mean: Tensor = MEAN, task: Task = TASK) -> Any:
    return measure_projections(model, task, mean, PAIRS, EXAMPLE, TOP, DRAWS, SEED)


def test_top_tokens_are_those_of_the_checkpoint_itself(measured: Measured) -> None:
    answers = set(first_tokens(measured.model.tokenizer, EXAMPLE, PAIRS, "own"))
    for layer in range(DEPTH):
        expected = measured.log_probabilities(MEAN[layer]).topk(TOP)
        found = measured.of("task", kind="top", layer=layer)
        assert found["rank"].tolist() == list(range(1, TOP + 1))
        assert found["token_id"].tolist() == expected.indices.tolist()
        assert found["probability"].tolist() == pytest.approx(
            expected.values.exp().tolist(), rel=1e-4
        )
        texts = [measured.model.tokenizer.decode([token]) for token in found["token_id"]]
        assert found["token"].tolist() == texts
        assert found["is_answer"].tolist() == [t in answers for t in found["token_id"]]


def test_ranks_and_probabilities_are_those_of_the_checkpoint_itself(measured: Measured) -> None:
    tokenizer = measured.model.tokenizer
    prompt = EXAMPLE.query("b")
    groups = {
        None: first_tokens(tokenizer, EXAMPLE, PAIRS, "own"),
        **{word: word_tokens(tokenizer, prompt, word, "own") for word in TASK.words},
    }
    vectors = {("task", 0): MEAN}
    drawn = enumerate(random_vectors(MEAN, DRAWS, SEED))
    vectors |= {("random", draw): vector for draw, vector in drawn}
    for (name, draw), vector in vectors.items():
        for layer in range(DEPTH):
            log_probabilities = measured.log_probabilities(vector[layer])
            for word, tokens in groups.items():
                places = [
                    1 + int((log_probabilities > log_probabilities[token]).sum())
                    for token in tokens
                ]
                found = measured.of(name, draw=draw, layer=layer)
                found = found[found["kind"] != "top"]
                is_group = found["token"].isna() if word is None else found["token"] == word
                (row,) = found[is_group].to_dict("records")
                assert row["kind"] == ("answers" if word is None else "description")
                assert row["rank"] == (median(places) if word is None else min(places))
                summed = float(log_probabilities[tokens].exp().sum())
                assert row["probability"] == pytest.approx(summed, rel=1e-4)
                assert row["tokens"] == len(tokens)


def test_rows_have_the_columns_and_types_that_are_promised(rows: pd.DataFrame) -> None:
    columns = schema(TOKEN_PROJECTIONS).columns
    assert list(rows) == list(columns)
    assert rows.dtypes.astype(str).to_dict() == columns
    assert set(rows["kind"]) == {"top", "answers", "description"}
    assert check_rows(rows, IDENTITY) is None


def test_a_long_list_of_vectors_is_read_in_parts(
    model: Model, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tvsight.experiments.token_projections.measure.ROWS", 2)
    in_parts = complete(steps(model), model.decoder)
    pd.testing.assert_frame_equal(in_parts, rows)


def test_it_runs_as_a_server_would_run_it(model: Model, rows: pd.DataFrame) -> None:
    shipped = complete(steps(model), model.decoder, Here(simulated=True))
    pd.testing.assert_frame_equal(shipped, rows)


def test_its_job_can_be_rehearsed(model: Model) -> None:
    (job,) = next(steps(model))
    assert max(token for tokens in job.arguments[1] for token in tokens) > 64
    rehearse(job, model.decoder, model.dtype)


def test_random_vectors_are_as_long_and_the_same_each_time() -> None:
    drawn = random_vectors(MEAN, 200, SEED)
    assert drawn.shape == (200, DEPTH, WIDTH)
    torch.testing.assert_close(drawn.norm(dim=-1), MEAN.norm(dim=-1).expand(200, DEPTH))
    assert torch.equal(drawn, random_vectors(MEAN, 200, SEED))
    assert not torch.equal(drawn, random_vectors(MEAN, 200, SEED + 1))
    directions = drawn / drawn.norm(dim=-1, keepdim=True)
    assert directions.mean(dim=0).norm(dim=-1).max() < 0.15
    assert (directions**2).mean(dim=(0, 1)).sub(1 / WIDTH).abs().max() < 0.3 / WIDTH


def test_a_token_that_the_unembedding_lacks_is_last(model: Model) -> None:
    vocabulary = model.decoder.vocabulary
    read = project(model.decoder, MEAN, [[vocabulary + 3], [0, vocabulary]], 1, 0, SEED)
    assert (read["best"][..., 0] == vocabulary).all()
    assert (read["probability"][..., 0] == 0).all()
    assert (read["best"][..., 1] < vocabulary).any()


def test_a_word_is_found_in_every_spelling_of_one_token(model: Model) -> None:
    tokenizer, prompt = model.tokenizer, EXAMPLE.query("b")
    texts = [tokenizer.decode([token]) for token in word_tokens(tokenizer, prompt, "cold", "own")]
    assert texts == [" cold"]
    letters = {tokenizer.decode([token]) for token in word_tokens(tokenizer, prompt, "x", "own")}
    assert letters == {"x", "X"}
    first = {tokenizer.decode([token]) for token in word_tokens(tokenizer, prompt, "XYz", "own")}
    assert first == {" ", "x", "X"}


def test_an_answer_without_a_token_of_its_own_is_named(model: Model) -> None:
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


@pytest.mark.parametrize(
    "identity", [{"draws": DRAWS + 1}, {"draws": 10**12}, {"draws": None}, {"words": ["cold"]}]
)
def test_rows_must_be_those_of_the_manifest(rows: pd.DataFrame, identity: dict[str, Any]) -> None:
    with pytest.raises(DamagedResult):
        check_rows(rows, IDENTITY | identity)
