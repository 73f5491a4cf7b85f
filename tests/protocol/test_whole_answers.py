"""Requests for whole answers."""

from typing import Any

import pandas as pd
import pytest

from tests.helpers.completed import complete
from tests.helpers.half_accepted import half_accepted
from tests.helpers.method_prompts import EXAMPLE
from tests.helpers.tiny_models import DEPTH
from tvsight.config import RunConfig
from tvsight.errors import MeasurementError, UsageError
from tvsight.execution.here import Here
from tvsight.execution.ndif.preflight import rehearse
from tvsight.methods import METHODS
from tvsight.models.loading import Model
from tvsight.models.sources import ModelSource
from tvsight.prompts import Template, tokens
from tvsight.protocol import central, methods, whole_answers
from tvsight.protocol.options import AnswerOptions
from tvsight.protocol.whole_answers import METHOD_NAME, NAME, AnswerResults
from tvsight.run.planning import Plan
from tvsight.storage.contents import check_rows
from tvsight.tasks.whole_answers import Score

SOURCE = ModelSource("directory", "qwen2", "/nowhere")
MOST = 4


def plan(options: RunConfig | None = None, **others: Any) -> Plan:
    sizes = {"shots": 3, "episodes_per_split": 4, "answer_tokens": MOST}
    return Plan(options or AnswerOptions(**(sizes | others)), EXAMPLE, [half_accepted()], {})


def request_of(method: str | None = None, **others: Any) -> AnswerResults:
    entry = None if method is None else METHODS[method]
    (one,) = whole_answers.requests(plan(**others), SOURCE, entry)
    return one


def test_with_one_token_requests_and_identities_are_those_of_before() -> None:
    of_run = plan(RunConfig())
    (wanted,) = central.requests(of_run, SOURCE)
    (found,) = central.requests(plan(AnswerOptions()), SOURCE)
    assert isinstance(found, central.MainResults)
    assert found.identity == wanted.identity
    method = METHODS["mean_state"]
    (wanted,) = methods.requests(of_run, SOURCE, method)
    (found,) = methods.requests(plan(AnswerOptions()), SOURCE, method)
    assert isinstance(found, methods.MethodResults)
    assert found.identity == wanted.identity
    (whole,) = central.requests(plan(), SOURCE)
    assert (whole.identity["experiment"], whole.identity["answer_tokens"]) == (NAME, MOST)
    assert whole.identity != request_of(answer_tokens=5).identity
    assert request_of("mean_state").identity["experiment"] == METHOD_NAME


@pytest.mark.parametrize("method", [None, "mean_state"])
def test_rows_are_complete_and_the_same_on_a_simulated_server(
    model: Model, method: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(predicted: str, query: str, accepted: object) -> Score:
        return Score(len(predicted) % 2 == 1, 1.0, True)

    monkeypatch.setattr(whole_answers, "score", odd)
    asked = request_of(method)
    found = complete(asked.steps(model), model.decoder, Here())
    rows = found.rows
    assert check_rows(rows, asked.identity) == DEPTH
    assert found.vectors is None
    assert "shared_first_token" not in (found.notes or {})
    assert (found.notes or {})["cut_answers"]["of"] == 8
    swept = rows[(rows["split"] == "dev") & rows["layer"].notna()]
    for procedure, procedure_rows in swept.groupby("procedure"):
        exact = procedure_rows.groupby("layer")["correct"].sum()
        test = rows[(rows["split"] == "test") & (rows["procedure"] == procedure)]
        assert set(test["layer"]) == {exact.idxmax()}
        assert exact.max() > 0
    assert " block " in asked.line(rows)
    (job,) = next(asked.steps(model))
    assert len(job.later) == 1
    assert rehearse(job, model.decoder, model.dtype) > 0
    shipped = complete(asked.steps(model), model.decoder, Here(simulated=True)).rows
    pd.testing.assert_frame_equal(shipped, rows)


def test_long_splits_are_measured_in_parts(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "AVERAGED_OVER", 2)
    asked = request_of()
    assert len(next(asked.steps(model))) == 1
    whole = complete(asked.steps(model), model.decoder, Here()).rows
    monkeypatch.setattr(whole_answers, "parts", lambda prompts, most: tokens.parts(prompts, 2))
    assert len(next(asked.steps(model))) == 2
    cut = complete(asked.steps(model), model.decoder, Here()).rows
    same = ["procedure", "split", "episode", "layer", "query", "predicted"]
    pd.testing.assert_frame_equal(cut[same], whole[same])
    # Batches have other shapes, so that the last digits differ.
    close = ["log_probability", "answer_log_probability"]
    pd.testing.assert_frame_equal(cut[close], whole[close], rtol=0, atol=1e-4)


def test_answers_without_probability_are_an_error(model: Model) -> None:
    steps = request_of().steps(model)
    (job,) = next(steps)
    read = job.function(model.decoder, *job.arguments)
    read["answers"][0]["answer_log_probability"][0] = -float("inf")
    with pytest.raises(MeasurementError, match="baseline: the probability of an answer is zero"):
        steps.send([read])


def test_options_that_measure_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^--answer-tokens 0: at least 1 was expected"):
        AnswerOptions(answer_tokens=0)
    unending = Plan(AnswerOptions(answer_tokens=2), Template("{x}: {y} "), [half_accepted()], {})
    with pytest.raises(UsageError, match=r"^--answer-tokens: the template"):
        central.requests(unending, SOURCE)
