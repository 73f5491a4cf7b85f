from dataclasses import dataclass, field
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from tests.helpers.called_commands import called
from tests.helpers.commands import ROOT
from tests.helpers.example_rows import outcome_of, task_rows
from tvsight.cli import all as everything
from tvsight.config import RunConfig
from tvsight.errors import ServerError, UsageError
from tvsight.experiments import EXPERIMENTS
from tvsight.output.drawn import Drawn
from tvsight.run.outcome import Outcome
from tvsight.storage.manifests import Key


@dataclass
class Reports:
    """Stand-ins for the reports of all analyses. They note how they are called."""

    failing: dict[str, Exception] = field(default_factory=dict)
    collected: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    runners: set[int] = field(default_factory=set)
    drawn: dict[str, list[str]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def report(self, name: str) -> Any:
        def collect(runner: Any, options: RunConfig) -> Outcome:
            self.collected.append((name, options.model))
            self.runners.add(id(runner))
            if name in self.failing:
                raise self.failing[name]
            outcome = outcome_of(task_rows("one", (1, 2, 2, 2), model=options.model[0]))
            outcome.failures[Key(options.model[0], "two")] = "states hold NaN"
            return outcome

        def draw(outcome: Outcome, options: RunConfig, display: Any, drawn: Drawn) -> None:
            self.drawn[name] = outcome.table["model"].unique().tolist()
            self.options[name] = options
            drawn.files.append(drawn.results / "figures" / f"{drawn.name}.png")

        return SimpleNamespace(collect=collect, draw=draw)


MODELS = ("gemma-3-270m", "pythia-2.8b")
OPTIONS = RunConfig(model=MODELS)


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> Reports:
    stand_ins = Reports()
    monkeypatch.setattr(everything, "report", stand_ins.report)
    return stand_ins


def test_models_come_one_after_the_other_and_are_drawn_together(
    reports: Reports, capsys: pytest.CaptureFixture[str]
) -> None:
    assert everything.main(OPTIONS) == 1
    expected = [(name, (model,)) for model in MODELS for name in EXPERIMENTS]
    assert reports.collected == expected
    assert len(reports.runners) == 1
    assert reports.drawn == {name: list(MODELS) for name in EXPERIMENTS}
    told = capsys.readouterr().out
    assert "Missing: controls: pythia-2.8b / two. states hold NaN" in told
    assert "figures/controls" in told
    assert told.count("Wrote ") == len(EXPERIMENTS)


def test_each_analysis_gets_options_of_its_own(reports: Reports) -> None:
    assert everything.main(RunConfig(seed=(3, 4))) == 1
    for name, options in reports.options.items():
        assert type(options) is import_module(f"tvsight.experiments.{name}").Options
        assert options.seed == ((3, 4) if name in everything.COMPARE_SEEDS else (3,))


def test_an_analysis_that_fails_is_named_and_keeps_no_other_from_being_made(
    reports: Reports, capsys: pytest.CaptureFixture[str]
) -> None:
    reports.failing["shots"] = UsageError("too few pairs")
    assert everything.main(OPTIONS) == 1
    assert set(reports.drawn) == set(EXPERIMENTS) - {"shots"}
    assert "Missing: shots: gemma-3-270m. too few pairs" in capsys.readouterr().out


def test_fail_fast_ends_at_the_first_failure(reports: Reports) -> None:
    reports.failing["layer_sweep"] = UsageError("no")
    with pytest.raises(UsageError):
        everything.main(RunConfig(fail_fast=True))
    assert [name for name, _ in reports.collected] == ["main_results", "layer_sweep"]


def test_a_server_that_fails_ends_it(reports: Reports) -> None:
    reports.failing["layer_sweep"] = ServerError("down")
    with pytest.raises(ServerError):
        everything.main(OPTIONS)


@pytest.mark.parametrize(
    "options",
    [{"tasks": "antonym"}, {"model": ("gemma-3-270",)}],
    ids=lambda options: next(iter(options)),
)
def test_what_cannot_be_is_refused_once_and_at_once(
    reports: Reports, options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        everything.main(RunConfig(**options))
    assert reports.collected == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--episodes", "some.jsonl"), "--episodes: each analysis asks about episodes of its own"),
        (("--save-episodes", "some.jsonl"), "--save-episodes: each analysis asks"),
        (("--no-vectors",), "--no-vectors: most of these analyses are about the vectors"),
    ],
)
def test_options_that_it_could_not_heed_are_refused(options: tuple[str, ...], said: str) -> None:
    ended = called("all", *options)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"error: {said}")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_analysis_has_what_it_is_called_by(name: str) -> None:
    package = import_module(f"tvsight.experiments.{name}")
    assert name == package.NAME
    assert issubclass(package.Options, RunConfig)
    report = everything.report(name)
    assert set(report.__all__) == {"collect", "draw"}
    assert callable(report.collect)
    assert callable(report.draw)
    assert f"python -m analyses.{name}" in import_module(f"analyses.{name}").__doc__


def test_no_analysis_is_left_out() -> None:
    packages = (ROOT / "tvsight" / "experiments").glob("*/__init__.py")
    assert {package.parent.name for package in packages} == set(EXPERIMENTS)
