"""--methods and --method-file of the analyses of vectors."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

from tests.helpers.commands import analysis
from tests.helpers.example_method import write_example
from tests.helpers.recorded import Recorded, Told
from tests.helpers.small_runs import refuse
from tvsight.methods import METHODS
from tvsight.protocol.methods import requests
from tvsight.protocol.options import MethodOptions
from tvsight.run import places
from tvsight.run.outcome import Outcome
from tvsight.run.runner import Runner
from tvsight.storage.store import Store

pytestmark = pytest.mark.slow


class Asked(NamedTuple):
    """One analysis with one further method."""

    name: str
    method: str
    options: dict[str, Any]
    names: tuple[str, ...]
    """Of its tables and figures, after the names of both."""


NONE: dict[str, Any] = {"methods": (), "method_file": None, "trust_method_file": False}
TWO = {"tasks": "to_upper,next_letter"}
PAIR = {"pairs": ("next_letter:to_upper",)}
ONE = TWO | {"templates": ("arrow",)}
SIMULATED = {"remote_simulated": True}
OF_PAIRS = ("", "_qwen2", "_by_block_qwen2")
OF_TEMPLATES = ("", "_by_task", "_means", "_qwen2")
OF_CONTROLS = (
    *("", "_means", "_shuffled", "_recognition", "_by_block", "_transfer"),
    *("_qwen2", "_transfer_qwen2"),
)
OF_TOKENS = ("", "_ranks", "_overview", "_overview_qwen2", "_by_task_qwen2")
CASES = [
    Asked("conflicting_tasks", "function_vector", PAIR | SIMULATED, OF_PAIRS),
    Asked("templates", "median_state", ONE | SIMULATED, OF_TEMPLATES),
    Asked("controls", "mean_state", TWO, OF_CONTROLS),
    Asked("token_projections", "median_state", TWO | SIMULATED, OF_TOKENS),
    Asked("vector_clusters", "mean_state", TWO, ("_distances", "_qwen2")),
    Asked(
        *("vector_clusters", "median_state", TWO),
        ("", "_by_task", "_points", "_distances", "_qwen2"),
    ),
]
BESIDE = [
    Asked("layer_sweep", "median_state", TWO, ()),
    Asked("shots", "median_state", TWO | SIMULATED | {"shot_counts": "2"}, ()),
]
"""Analyses that draw a method beside the others. `median_state` is a method of the user's own;
tests of its file have `main_results`."""


class Place(NamedTuple):
    """A checkpoint, a folder of results that tests share, and a method of the user's own."""

    checkpoint: Path
    results: Path
    file: Path

    def options(self, asked: Asked, **more: Any) -> MethodOptions:
        own: dict[str, Any] = {"methods": (asked.method,)}
        if asked.method == "median_state":
            own = {"method_file": str(self.file), "trust_method_file": True}
        sizes: dict[str, Any] = {"shots": 3, "episodes_per_split": 4, "device": "cpu"}
        where = {"model": (str(self.checkpoint),), "results": str(self.results)}
        options = import_module(f"tvsight.experiments.{asked.name}").Options
        found: MethodOptions = options(**where, **sizes, **own, **(asked.options | more))
        return found


@pytest.fixture(scope="module")
def place(
    tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Place:
    folder = tmp_path_factory.mktemp("methods")
    return Place(tiny_checkpoint("qwen2"), folder / "results", write_example(folder))


def drawn(name: str, options: MethodOptions) -> tuple[Outcome, Recorded]:
    """The results of an analysis, and its tables and figures, which are not written."""
    report = import_module(f"tvsight.experiments.{name}.report")
    display, recorded = Told(), Recorded(name)
    outcome = report.collect(Runner(display), options).in_order()
    report.draw(outcome, options, display, recorded)
    return outcome, recorded


@pytest.mark.parametrize("asked", CASES, ids=lambda one: f"{one.name}-{one.method}")
def test_a_method_has_results_tables_and_figures_of_its_own(
    place: Place, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome, found = drawn(asked.name, place.options(asked))
    assert outcome.failures == {}
    check_place(place, outcome, asked)
    stem = f"{asked.name}_{asked.method}"
    plots = {name: plot for name, plot in found.figures.items() if name.startswith(stem)}
    tables = {name: table for name, table in found.tables.items() if name.startswith(stem)}
    assert {name.removeprefix(stem) for name in (*plots, *tables)} == {*asked.names}
    for plot in plots.values():
        words = f"{plot.title} {plot.caption} {plot.note}"
        assert not re.search("task vector|θ", words, re.IGNORECASE)
    word = asked.method.replace("_", " ")
    assert any(word in f"{plot.title} {plot.caption}" for plot in plots.values())
    titles = [found.wordings[name].title for name in tables if name in found.wordings]
    assert all(word in title for title in titles[:1])

    monkeypatch.setattr(places, "load", refuse)
    _, again = drawn(asked.name, place.options(asked, redraw=True, remote_simulated=False))
    assert again.figures.keys() == found.figures.keys()
    for name, table in found.tables.items():
        pd.testing.assert_frame_equal(again.tables[name], table)
    alone, plain = drawn(
        asked.name, replace(place.options(asked, redraw=True, remote_simulated=False), **NONE)
    )
    assert {result.method for result in alone.results} == {""}
    assert plain.tables.keys() == found.tables.keys() - tables.keys()
    for name, table in plain.tables.items():
        pd.testing.assert_frame_equal(table, found.tables[name])


@pytest.mark.parametrize("asked", BESIDE, ids=lambda one: one.name)
def test_a_method_is_drawn_beside_the_others(place: Place, asked: Asked) -> None:
    options = place.options(asked)
    outcome, found = drawn(asked.name, options)
    assert outcome.failures == {}
    assert [name for name in (*found.tables, *found.figures) if asked.method in name] == []
    assert asked.method in set(outcome.table["procedure"])
    assert "Median state" in found.cells[asked.name][0].to_string()
    check_place(place, outcome, asked)


def check_place(place: Place, outcome: Outcome, asked: Asked) -> None:
    """Check where the results of a method were measured."""
    wanted = "simulated server" if asked.options.get("remote_simulated") else "local"
    for one in outcome.only(asked.name).of_method(asked.method).results:
        assert Store(place.results).read_manifest(one.path)["place"]["kind"] == wanted


@pytest.mark.parametrize("name", ["conflicting_tasks", "templates", "controls"])
def test_rows_name_the_method_and_the_identity_adds_it(place: Place, name: str) -> None:
    asked = next(one for one in CASES if one.name == name)
    outcome, _ = drawn(name, place.options(asked, redraw=True, remote_simulated=False))
    store = Store(place.results)
    task = outcome.only(name).results[0].key.task
    identities = {}
    for result in outcome.only(name).results:
        if result.key.task == task:
            identities[result.method] = store.read_manifest(result.path)["identity"]
            procedures = set(result.rows["procedure"])
            assert (asked.method in procedures) is (bool(result.method) and name != "controls")
            assert ("task_vector" in procedures) is (not result.method and name != "controls")
    own = {"method", "method_settings"}
    if asked.method in METHODS:
        assert identities[asked.method].items() >= METHODS[asked.method].identity.items()
    else:
        own.add("method_source")
    assert identities[asked.method].keys() == identities[""].keys() | own


def test_a_method_that_is_stored_without_vectors_is_measured_again_where_they_are_needed(
    place: Place, tmp_path: Path
) -> None:
    asked = Asked("vector_clusters", "mean_state", {"tasks": "to_upper"}, ())
    options = place._replace(results=tmp_path).options(asked)
    method = METHODS["mean_state"]
    (first,) = Runner(Told()).run(options, partial(requests, method=method)).results
    store = Store(tmp_path)
    assert "vectors.safetensors" not in store.read_manifest(first.path)["files"]
    with_vectors = partial(requests, method=method, needs_vectors=True)
    (why,) = Runner(Told()).stored(options, with_vectors).failures.values()
    assert why == "not in the store with its vectors"
    (second,) = Runner(Told()).run(options, with_vectors).results
    assert second.path == first.path
    pd.testing.assert_frame_equal(second.rows, first.rows)
    found = store.vectors(second.path)
    assert found["dev"].equal(found["test"])
    assert len(found["dev"]) == 1


def test_a_command_writes_a_method_into_files_of_its_own(place: Place, tmp_path: Path) -> None:
    where = ("--model", place.checkpoint, "--results", tmp_path, "--tasks", "to_upper,next_letter")
    sizes = ("--shots", "3", "--episodes-per-split", "4", "--methods", "mean_state")
    ended = analysis("vector_clusters", *where, *sizes)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "each task has one mean state, so nothing clusters" in ended.stdout
    caption = tmp_path / "figures" / "vector_clusters_mean_state_qwen2.caption.md"
    assert "--methods mean_state" in caption.read_text()
    table = pd.read_csv(tmp_path / "tables" / "vector_clusters_mean_state_distances.csv")
    assert table["distance"].gt(0).tolist() == [True, True]
    planned = analysis("controls", *where, *sizes, "--dry-run")
    assert (planned.returncode, planned.stderr) == (0, "")
    assert planned.stdout.count("controls: after main_results") == 2
