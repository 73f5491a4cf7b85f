"""Revisions of one model in one results folder are told apart, measured and redrawn."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.helpers.commands import analysis
from tests.helpers.example_rows import task_rows
from tvsight.config import RunConfig
from tvsight.errors import UsageError
from tvsight.models import ModelSource
from tvsight.output.console import Display
from tvsight.output.labels import display_name
from tvsight.protocol.central import requests
from tvsight.run.outcome import Outcome
from tvsight.run.planning import read_plan
from tvsight.run.provenance import model_source
from tvsight.run.revisions import Revision
from tvsight.run.runner import Runner
from tvsight.storage.store import Result, Store

COMMITS = {"step1000": "a1" * 20, "step2000": "b2" * 20, "main": "c3" * 20}
MARGIN = {"step1000": 1, "step2000": 2, "main": 3}
"""The margin in the rows of a revision, by which they are known."""


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    """Asks for what `put` stores."""
    results = str(tmp_path / "results")
    return RunConfig(
        model=("org/model",), tasks="antonyms", episodes_per_split=2, results=results, redraw=True
    )


def put(config: RunConfig, name: str, task: str = "antonyms", **identity: str) -> Path:
    """Store a result as a run with a revision would."""
    source = ModelSource("hub", "org/model", "org/model", None if name == "main" else name)
    (request,) = requests(read_plan(replace(config, tasks=task)), source)
    weights = f"commit:{COMMITS[name]}"
    asked = request.identity | {"weights": weights, "dtype": "float32"} | identity
    rows = task_rows(task, (0, 1, 0, 0), model="org/model", n=2)
    rows = rows.query("split == 'test' or (procedure != 'icl' and episode < 2)")
    rows = rows.assign(margin=float(MARGIN[name])).reset_index(drop=True)
    made: dict[str, Any] = {
        "versions": {"tvsight": "0.1.0"},
        "source": model_source(source, asked["weights"]),
    }
    store = Store(config.results)
    store.save(Result(asked), rows, None, made)
    return store.root / Result(asked).path


def edit(folder: Path, **fields: object) -> None:
    file = folder / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def redrawn(config: RunConfig, revision: str | None) -> tuple[Outcome, dict[str, str]]:
    runner = Runner(Display(Console(file=io.StringIO())))
    outcome = runner.outcome(replace(config, revision=revision), requests)
    return outcome, runner.labels


def margin(outcome: Outcome) -> float:
    """The margin of all rows."""
    (found,) = set(outcome.table["margin"])
    return float(found)


@pytest.mark.parametrize("name", COMMITS)
def test_the_revision_that_is_asked_for_is_drawn_and_named(config: RunConfig, name: str) -> None:
    for stored in COMMITS:
        put(config, stored)
    for asked in (name, COMMITS[name], COMMITS[name][:8]):
        outcome, labels = redrawn(config, asked)
        assert margin(outcome) == MARGIN[name]
        said = name if asked == name else COMMITS[name][:12]
        assert labels == {"org/model": f"org/model@{said}"}
    outcome, labels = redrawn(config, None)
    assert margin(outcome) == MARGIN["main"]
    assert labels == {"org/model": "org/model@main"}


def test_a_revision_that_is_not_there_is_refused_with_those_that_are(config: RunConfig) -> None:
    put(config, "step1000")
    put(config, "step2000")
    for asked in ("step100", "d4" * 20):
        with pytest.raises(
            UsageError,
            match=rf"--revision {asked}: no result of org/model is of it\..*There are: step1000 "
            r"\(commit a1a1a1a1a1a1\); step2000 \(commit b2b2b2b2b2b2\)\.",
        ):
            redrawn(config, asked)
    with pytest.raises(UsageError, match=r"without --revision: .*its default revision"):
        redrawn(config, None)


def test_tasks_of_another_revision_are_missing_and_not_mixed_in(config: RunConfig) -> None:
    put(config, "step1000")
    put(config, "step2000", task="to_upper")
    outcome, _ = redrawn(replace(config, tasks="antonyms,to_upper"), "step1000")
    assert margin(outcome) == MARGIN["step1000"]
    assert outcome.failures == {("org/model", "to_upper"): "not in the store"}


def test_of_a_branch_that_moved_the_newest_commit_is_drawn_for_every_task(
    config: RunConfig,
) -> None:
    for task in ("antonyms", "to_upper"):
        put(config, "main", task)
    moved = put(config, "main", weights="commit:" + "e5" * 20)
    edit(moved, written="2099-01-01T00:00:00+00:00")
    outcome, labels = redrawn(replace(config, tasks="antonyms,to_upper"), None)
    assert list(outcome.paths) == [("org/model", "antonyms")]
    (why,) = outcome.failures.values()
    assert re.search("as float32 of commit e5e5.*; float32 of commit c3c3c3c3c3c3 is there", why)
    assert labels == {"org/model": "org/model@e5e5e5e5e5e5"}


def test_results_that_do_not_say_what_was_asked_are_read_as_before(config: RunConfig) -> None:
    old = put(config, "step1000")
    edit(old, source={"kind": "hub", "id": "org/model", "revision": COMMITS["step1000"]})
    outcome, labels = redrawn(config, None)
    assert (margin(outcome), labels) == (MARGIN["step1000"], {})
    assert margin(redrawn(config, COMMITS["step1000"])[0]) == MARGIN["step1000"]
    put(config, "main")
    assert margin(redrawn(config, None)[0]) == MARGIN["main"]


def test_a_run_notes_another_name_of_a_stored_commit(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(config, "step1000")
    weights = f"commit:{COMMITS['step1000']}"
    monkeypatch.setattr("tvsight.run.runner.weights_identity", lambda source: weights)
    measured = replace(config, redraw=False, dtype="float32", device="cpu", revision="v1")
    runner = Runner(Display(Console(file=io.StringIO())))
    assert margin(runner.outcome(measured, requests)) == MARGIN["step1000"]
    assert runner.labels == {"org/model": "org/model@v1"}
    for name in ("v1", "step1000"):
        assert margin(redrawn(config, name)[0]) == MARGIN["step1000"]


def test_a_revision_of_a_model_that_has_none_is_refused(config: RunConfig) -> None:
    put(config, "main")
    with pytest.raises(UsageError, match="has no revisions"):
        redrawn(replace(config, model=("gemma-3-270m",), results="results"), "v1")


@pytest.mark.slow
def test_tables_figures_and_files_say_the_revision(config: RunConfig) -> None:
    for name in ("step1000", "step2000"):
        put(config, name)
    for command in ("main_results", "layer_sweep"):
        for name in ("step1000", "step2000"):
            given = ("--model", "org/model", "--tasks", "antonyms", "--episodes-per-split", "2")
            given += ("--results", config.results, "--redraw", "--revision", name)
            process = analysis(command, *given)
            assert (process.returncode, process.stderr) == (0, "")
            tables = Path(config.results) / "tables"
            assert f"model ({name})" in (tables / f"{command}.md").read_text()
            assert f"org/model@{name}" in (tables / f"{command}.csv").read_text()
    drawn = {path.name for path in (Path(config.results) / "figures").glob("*_by_task_*.png")}
    assert drawn == {
        f"{command}_by_task_org--model-{name}.png"
        for command in ("main_results", "layer_sweep")
        for name in ("step1000", "step2000")
    }


def test_a_revision_stands_after_the_name_of_its_model() -> None:
    assert display_name("pythia-6.9b@step1000") == "Pythia 6.9B (step1000)"
    assert display_name("org/model@feature/x") == "model (feature/x)"


def test_a_name_that_two_commits_have_is_not_said() -> None:
    one, other = (Revision(digit * 40, frozenset({"main"})) for digit in "ab")
    assert one.label(None, [one]) is None
    assert one.label("main", [one]) == "main"
    assert one.label(None, [one, other]) == "a" * 12
