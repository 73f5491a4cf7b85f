import shutil
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from analyses import all as everything
from tests.helpers.commands import ROOT, analysis
from tests.helpers.example_rows import task_rows
from tvsight.config import RunConfig
from tvsight.errors import ServerError, UsageError
from tvsight.run.outcome import Outcome


@dataclass
class Analyses:
    """Stand-ins for the analyses, which note what they are asked for."""

    failing: dict[str, Exception] = field(default_factory=dict)
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    runners: set[int] = field(default_factory=set)
    drawn: dict[str, list[str]] = field(default_factory=dict)

    def module(self, name: str) -> Any:
        def measure(runner: Any, options: RunConfig) -> Outcome:
            self.asked.append((name, options.model))
            self.runners.add(id(runner))
            if name in self.failing:
                raise self.failing[name]
            rows = task_rows("one", (1, 2, 2, 2), model=options.model[0])
            return Outcome([rows], {f"{options.model[0]} / two": "states hold NaN"})

        def draw(outcome: Outcome, options: RunConfig, display: Any) -> None:
            self.drawn[name] = outcome.table["model"].unique().tolist()
            display.written([Path(options.results) / "figures" / f"{name}.png"])

        return SimpleNamespace(Options=RunConfig, measure=measure, draw=draw)


MODELS = ("gemma-3-270m", "pythia-2.8b")
OPTIONS = RunConfig(model=MODELS)


@pytest.fixture
def analyses(monkeypatch: pytest.MonkeyPatch) -> Analyses:
    stand_ins = Analyses()
    monkeypatch.setattr(everything, "_module", stand_ins.module)
    return stand_ins


def test_models_come_one_after_the_other_and_are_drawn_together(
    analyses: Analyses, capsys: pytest.CaptureFixture[str]
) -> None:
    assert everything.main(OPTIONS) == 1
    expected = [(name, (model,)) for model in MODELS for name in everything.ANALYSES]
    assert analyses.asked == expected
    assert len(analyses.runners) == 1
    assert analyses.drawn == {name: list(MODELS) for name in everything.ANALYSES}
    told = capsys.readouterr().out
    assert "Missing: controls: pythia-2.8b / two. states hold NaN" in told
    assert "figures/controls" in told


def test_an_analysis_that_fails_is_named_and_keeps_no_other_from_being_made(
    analyses: Analyses, capsys: pytest.CaptureFixture[str]
) -> None:
    analyses.failing["shots"] = UsageError("too few pairs")
    assert everything.main(OPTIONS) == 1
    assert set(analyses.drawn) == set(everything.ANALYSES) - {"shots"}
    assert "Missing: shots: gemma-3-270m. too few pairs" in capsys.readouterr().out


def test_fail_fast_ends_at_the_first_failure(analyses: Analyses) -> None:
    analyses.failing["layer_sweep"] = UsageError("no")
    with pytest.raises(UsageError):
        everything.main(RunConfig(fail_fast=True))
    assert [name for name, _ in analyses.asked] == ["main_results", "layer_sweep"]


def test_a_server_that_fails_ends_it(analyses: Analyses) -> None:
    analyses.failing["layer_sweep"] = ServerError("down")
    with pytest.raises(ServerError):
        everything.main(OPTIONS)


@pytest.mark.parametrize(
    "options",
    [
        {"tasks": "antonym"},
        {"model": ("gemma-3-270",)},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_cannot_be_is_refused_once_and_at_once(
    analyses: Analyses, options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        everything.main(RunConfig(**options))
    assert analyses.asked == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--episodes", "some.jsonl"), "--episodes: each analysis asks about episodes of its own"),
        (("--save-episodes", "some.jsonl"), "--save-episodes: each analysis asks"),
        (("--no-vectors",), "--no-vectors: most of these analyses are about the vectors"),
    ],
)
def test_options_that_it_could_not_heed_are_refused(options: tuple[str, ...], said: str) -> None:
    ended = analysis("all", *options)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"error: {said}")


def test_every_analysis_has_what_it_is_called_by() -> None:
    for name in everything.ANALYSES:
        module = everything.import_module(f"analyses.{name}")
        assert issubclass(module.Options, RunConfig)
        assert callable(module.measure)
        assert callable(module.draw)
        assert f"python -m analyses.{name}" in module.__doc__


def test_the_committed_results_are_redrawn_as_they_are(tmp_path: Path) -> None:
    committed = ROOT / "results"
    left_out = shutil.ignore_patterns("figures", "tables", ".*")
    shutil.copytree(committed, tmp_path / "results", ignore=left_out)
    ended = analysis("all", "--redraw", "--results", tmp_path / "results")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Missing: " not in ended.stdout
    for folder in ("figures", "tables"):
        names = {path.name for path in (committed / folder).iterdir()}
        assert {path.name for path in (tmp_path / "results" / folder).iterdir()} == names
    for table in (committed / "tables").glob("*.csv"):
        again = pd.read_csv(tmp_path / "results" / "tables" / table.name)
        pd.testing.assert_frame_equal(again, pd.read_csv(table))
