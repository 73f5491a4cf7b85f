"""A run says once, and only where it helps, that bfloat16 would be faster."""

import io
from typing import Any

import pytest

from tests.helpers.small_runs import display_on, refuse
from tvsight.config import RunConfig
from tvsight.models import ModelSource
from tvsight.run import places

ADVICE = "--dtype bfloat16 would take about"
HERE = ModelSource("directory", "mine", "mine")


@pytest.fixture(autouse=True)
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("load", "load_remote"):
        monkeypatch.setattr(places, name, lambda *_, **__: None)
    monkeypatch.setattr(places, "bfloat16_rate", lambda: 4.4)


def said(config: RunConfig, loads: int = 1) -> str:
    shown = io.StringIO()
    place = places.Places(config, places.dtype(config), display_on(shown))
    for _ in range(loads):
        place.load(HERE)
    return shown.getvalue()


def test_the_faster_precision_is_named_once_for_all_models() -> None:
    lines = said(RunConfig(device="cpu"), loads=3).splitlines()
    assert len(lines) == 1
    assert ADVICE in lines[0]


@pytest.mark.parametrize(
    "options",
    [{"dtype": "float32"}, {"dtype": "bfloat16"}, {"remote": True}],
    ids=["float32", "bfloat16", "remote"],
)
def test_no_processor_is_timed_where_the_precision_is_chosen(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "bfloat16_rate", refuse)
    assert said(RunConfig(device="cpu", **options)) == ""


def test_a_processor_that_gains_nothing_is_not_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "bfloat16_rate", lambda: 0.5)
    assert said(RunConfig(device="cpu")) == ""
