from types import SimpleNamespace
from typing import cast

import pytest

from tests.helpers.completed import complete
from tests.helpers.tiny_models import DEPTH, HEADS
from tvsight.config import RunConfig
from tvsight.errors import UsageError
from tvsight.experiments.heads import DEFINITIONS, INDUCTION
from tvsight.experiments.heads.induction import beginning, fitted, requests, sequences
from tvsight.models import ModelSource
from tvsight.models.loading import Model
from tvsight.run.planning import read_plan
from tvsight.storage.contents import check_rows
from tvsight.storage.schemas import schema

SOURCE = ModelSource("directory", "qwen2", "")
TWICE, FOUR_TIMES = DEFINITIONS.values()


def test_a_model_is_asked_once_whatever_the_tasks_and_prompts() -> None:
    one = requests(read_plan(RunConfig(tasks="to_upper", shots=3)), SOURCE)
    other = requests(read_plan(RunConfig(tasks="paper", template="arrow")), SOURCE)
    seeded = requests(read_plan(RunConfig(tasks="paper", seed=(1,))), SOURCE)
    assert len(one) == len(other) == 1
    assert one[0].identity == other[0].identity != seeded[0].identity


def test_sequences_repeat_different_words_after_the_beginning(model: Model) -> None:
    found = sequences(model, TWICE, "0/twice")
    begin = beginning(model.tokenizer)
    assert begin == [model.tokenizer.bos_token_id]
    assert len(found) == TWICE.sequences
    for prompt in found:
        assert prompt[:1] == begin
        first, second = prompt[1 : 1 + TWICE.tokens], prompt[1 + TWICE.tokens :]
        assert first == second
        assert len(set(first)) == TWICE.tokens
        assert not {*first} & {*model.tokenizer.all_special_ids}
    assert sequences(model, TWICE, "0/twice") == found
    assert sequences(model, TWICE, "1/twice") != found


def test_a_short_window_holds_fewer_tokens(model: Model) -> None:
    assert model.decoder.window == 128
    assert fitted(model, TWICE) == TWICE
    assert fitted(model, FOUR_TIMES).tokens == 31
    decoder = SimpleNamespace(window=8)
    tiny = SimpleNamespace(decoder=decoder, tokenizer=model.tokenizer, name="tiny")
    with pytest.raises(UsageError, match="8 tokens, is too short"):
        fitted(cast("Model", tiny), FOUR_TIMES)


def test_rows_are_complete(model: Model) -> None:
    (request,) = requests(read_plan(RunConfig(tasks="to_upper")), SOURCE)
    measured = complete(request.steps(model), model.decoder)
    rows = measured.rows
    assert rows.dtypes.astype(str).to_dict() == schema(INDUCTION).columns
    assert check_rows(rows, request.identity) == DEPTH
    assert len(rows) == len(DEFINITIONS) * DEPTH * HEADS
    assert set(rows["tokens"]) == {50, 31}
    assert rows["score"].between(0, 1).all()
    assert request.line(rows).startswith("largest induction scores (")
