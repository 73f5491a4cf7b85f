"""A tiny model and episodes for it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

import tvsight
from tvsight.models.loading import Model
from tvsight.prompts import Episode, template

HOST, KEY = "http://server", "a-key-that-is-secret"
EXAMPLE = template("example")


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Callable[[str], Path]) -> Model:
    return tvsight.load(str(tiny_checkpoint("llama")), device="cpu")


@pytest.fixture(scope="module")
def episodes(model: Model) -> list[Episode]:
    return tvsight.episodes(model, tvsight.task("to_upper"), count=6, shots=3)


@pytest.fixture
def brief_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sleeps long."""
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(min(seconds, 0.01)))
