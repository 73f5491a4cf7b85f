"""A small run of three tasks on a tiny model, and experiments that fail at will."""

import io
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase
from typing import Any, NamedTuple, NoReturn

import pandas as pd
import pytest
from rich.console import Console

from tests.helpers.other_steps import with_steps
from tvsight.config import RunConfig
from tvsight.errors import MeasurementError
from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.output.console import Display
from tvsight.protocol.central import requests
from tvsight.run.outcome import Outcome
from tvsight.run.planning import Experiment, Plan, Request
from tvsight.run.runner import Runner
from tvsight.storage.store import Store

EPISODES = 6


TASKS = ["to_upper", "next_letter", "second_next"]


class First(NamedTuple):
    """A finished run of `TASKS`, which no test changes."""

    config: RunConfig
    outcome: Outcome

    def copied(self, folder: Path, **options: Any) -> RunConfig:
        """The run again, on a copy of its results that a test may change."""
        shutil.copytree(self.config.results, folder)
        return replace(self.config, results=str(folder), **options)

    def rows(self, task: str) -> pd.DataFrame:
        return of_task(self.outcome, task)


class Measuring:
    """The central comparison, noting what is measured, and failing at will."""

    def __init__(
        self, failing: str = "", error: BaseException | None = None, needs_vectors: bool = False
    ) -> None:
        self.asked: list[str] = []
        self.failing = failing
        self.needs_vectors = needs_vectors
        self.error = error or MeasurementError("states hold NaN")

    def __call__(self, plan: Plan, source: Any) -> list[Request]:
        asked = requests(plan, source, self.needs_vectors)
        return [with_steps(one, self.steps) for one in asked]

    def steps(self, request: Request, model: Any) -> Any:
        self.asked.append(request.name)
        if request.name == self.failing:
            raise self.error
        return request.steps(model)


@pytest.fixture(scope="module")
def first(
    tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> First:
    folder = tmp_path_factory.mktemp("run")
    config = RunConfig(
        model=(str(tiny_checkpoint("qwen2")),),
        tasks="to_upper,next_letter",
        task_file=(str(own_task(folder / "own.json")),),
        shots=3,
        episodes_per_split=EPISODES,
        results=str(folder / "results"),
        save_episodes=str(folder / "episodes.jsonl"),
        device="cpu",
    )
    return First(replace(config, save_episodes=None), run(config))


def run(
    config: RunConfig, experiment: Experiment = requests, shown: io.StringIO | None = None
) -> Outcome:
    return Runner(display_on(shown)).run(config, experiment)


def stored(config: RunConfig, shown: io.StringIO | None = None) -> Outcome:
    return Runner(display_on(shown)).stored(config, requests)


def display_on(shown: io.StringIO | None) -> Display:
    return Display(Console(file=shown or io.StringIO(), highlight=False))


def refuse(*arguments: object, **options: object) -> NoReturn:
    raise AssertionError("a model was loaded")


def paths(config: RunConfig) -> Sequence[Path]:
    return list(Store(config.results).paths(MAIN_RESULTS))


def of_task(outcome: Outcome, task: str) -> pd.DataFrame:
    return outcome.table[outcome.table["task"] == task].reset_index(drop=True)


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def rewrite(manifest: Path, **fields: object) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | fields))


def own_task(file: Path) -> Path:
    pairs = list(zip(ascii_lowercase, ascii_lowercase[2:] + "ab", strict=True))
    file.write_text(json.dumps({"name": "second_next", "pairs": pairs}))
    return file
