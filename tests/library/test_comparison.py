"""Measuring from a notebook: the rows, the store and the refusals of the command line."""

import io
from pathlib import Path
from typing import Any

import pytest

import tvsight
from tests.helpers.small_runs import assert_same, run
from tvsight.config import RunConfig
from tvsight.errors import MeasurementError, Remark, UsageError
from tvsight.library.model import LoadedModel
from tvsight.models.loading import Model
from tvsight.run import places

SMALL: dict[str, Any] = {"shots": 3, "episodes_per_split": 6}


@pytest.fixture(scope="module")
def results(model: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of one task."""
    folder = tmp_path_factory.mktemp("measured")
    tvsight.measure(model, ["to_upper"], folder, **SMALL)
    return folder


def test_a_command_finds_what_was_measured(checkpoint: Path, results: Path) -> None:
    where: dict[str, Any] = {"model": (str(checkpoint),), "results": str(results)}
    shown = io.StringIO()
    outcome = run(RunConfig(tasks="to_upper", device="cpu", **where, **SMALL), shown=shown)
    assert "1 of 1 are in the store" in shown.getvalue()
    rows = tvsight.measure(
        tvsight.load(checkpoint, device="cpu"), ["to_upper"], str(results), **SMALL
    )
    assert_same(outcome.table, rows)


def test_a_measurement_uses_the_model_that_is_loaded_and_prints_nothing(
    model: LoadedModel,
    results: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_: object) -> Model:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(places.Places, "load", refuse)
    rows = tvsight.measure(model, ["to_upper"], str(results), seed=(0, 1), **SMALL)
    assert set(rows["seed"]) == {0, 1}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"shot": 3}, "^shot: unknown option. Did you mean 'shots'"),
        ({"device": "cpu"}, "^device: unknown option"),
        ({"shots": "3"}, "^shots: expected a whole number"),
        ({"shots": 0}, "^shots=0: at least 1 was expected"),
        ({"seed": [0, "1"]}, "^seed: expected a whole number"),
        ({"seed": ()}, "at least one seed"),
        ({"vectors": 1}, "^vectors: expected True or False"),
        ({"template": 3}, "^template: expected UTF-8 text"),
        ({"methods": 3}, "^methods: expected names"),
        ({"methods": "mean_stat"}, "unknown method 'mean_stat'.*'mean_state'"),
        ({"tasks": ["to_uper"]}, "^Unknown task 'to_uper'.*'to_upper'"),
        ({"tasks": 3}, "^tasks: expected names"),
        ({"tasks": []}, r"^tasks: expected at least one name, got list \[\]"),
        ({"tasks": ""}, "^tasks='': the text is empty"),
        ({"score": "kl"}, "^score: unknown option. It chooses what a figure shows"),
        ({"template": "in:{x} out:{y} ", "answer_tokens": 8}, "^answer_tokens: the template"),
        ({"results": None}, "^results: expected UTF-8 text"),
    ],
)
def test_what_the_command_line_would_refuse_is_refused(
    model: LoadedModel, options: dict[str, Any], told: str, results: Path
) -> None:
    given = {"tasks": "to_upper", "results": str(results)} | options
    with pytest.raises(UsageError, match=told) as refused:
        tvsight.measure(model, **given)
    assert "\n" not in str(refused.value)
    assert "--" not in str(refused.value)


def test_a_task_that_fails_is_said_and_others_are_returned(
    model: LoadedModel, tmp_path: Path
) -> None:
    long = {"shots": 3, "episodes_per_split": 2, "template": "long{x}" + 80 * "z" + "{y}\\n"}
    with pytest.raises(MeasurementError, match="to_upper: The longest prompt"):
        tvsight.measure(model, "to_upper", str(tmp_path), **long)
    short = {"shots": 1, "episodes_per_split": 2}
    with pytest.warns(Remark, match="singular_plural: "):
        rows = tvsight.measure(model, "to_upper,singular_plural", str(tmp_path), **short)
    assert set(rows["task"]) == {"to_upper"}
