"""The documents name every column, field, command and option that there is."""

import dataclasses
import json
import re
import subprocess
import sys
import types
import typing
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import tyro

from tests.helpers.commands import ROOT, analysis
from tvsight.cli.program import COMMANDS
from tvsight.errors import option
from tvsight.experiments import EXPERIMENTS
from tvsight.models.catalogue import catalogue
from tvsight.storage import schemas
from tvsight.storage.episode_tables import EPISODE_TYPES
from tvsight.tasks import PAPER_TASKS, packaged_tasks

RESULTS = ROOT / "docs" / "results.md"
COMMITTED = sorted((ROOT / "results").glob("*/*/*/manifest.json"))


@cache
def documents() -> str:
    """The README and all pages, as one text."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


@cache
def named_fields() -> set[str]:
    """What docs/results.md writes as code."""
    return set(re.findall(r"`([^`\n]+)`", RESULTS.read_text(encoding="utf-8")))


def options_of(command: str) -> Iterator[tuple[str, bool]]:
    """The options of a command, each with whether it is a switch that is on by default. Arguments
    without a name, such as an address, are none."""
    room = "experiments" if command in EXPERIMENTS else "cli"
    yield from _fields(import_module(f"tvsight.{room}.{command}").Options)


def _fields(options: Any) -> Iterator[tuple[str, bool]]:
    types_by_name = typing.get_type_hints(options)
    annotations = typing.get_type_hints(options, include_extras=True)
    for entry in dataclasses.fields(options):
        if tyro.conf.Positional in typing.get_args(annotations[entry.name]):
            continue
        actions = [
            one for one in _parts(types_by_name[entry.name]) if dataclasses.is_dataclass(one)
        ]
        for action in actions:
            yield from _fields(action)
        if not actions:
            yield entry.name, entry.default is True


def _parts(kind: Any) -> list[Any]:
    """The types in a union."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [part for one in typing.get_args(kind) for part in _parts(one)]
    return [kind]


def test_every_column_is_named() -> None:
    columns = {*schemas.SCORED.columns, *EPISODE_TYPES}
    columns.update(*(schema.columns for schema in schemas.SCHEMAS.values()))
    assert sorted(columns - named_fields()) == []


@pytest.fixture(scope="module")
def manifests(
    tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """Those of the committed results, and one of each of six experiments that is written now."""
    results = tmp_path_factory.mktemp("docs")
    options = ("--tasks", "to_upper", "--episodes-per-split", "2", "--shots", "2")
    where = ("--model", tiny_checkpoint("llama"), "--results", results)
    assert analysis("function_vectors", *where, *options).returncode == 0
    whole = ("--answer-tokens", "2", "--methods", "mean_state")
    assert analysis("main_results", *where, *options, *whole).returncode == 0
    new = sorted(results.glob("*/*/*/manifest.json"))
    assert len(new) == 6
    return [json.loads(file.read_text(encoding="utf-8")) for file in (*COMMITTED, *new)]


def test_every_field_of_a_stored_result_is_named(manifests: list[dict[str, Any]]) -> None:
    experiments = {manifest["identity"]["experiment"] for manifest in manifests}
    assert experiments >= {"main_results", *schemas.SCHEMAS}
    fields = {name for manifest in manifests for name in manifest}
    assert sorted(fields - named_fields()) == []
    of_identity = {name for manifest in manifests for name in manifest["identity"]}
    assert sorted(of_identity - named_fields()) == []


def test_every_command_is_called_somewhere() -> None:
    assert len(COMMANDS) >= 14
    text = documents()
    called = [name for name in COMMANDS if re.search(rf"\b(analyses\.|tvsight ){name}\b", text)]
    assert sorted({*COMMANDS} - {*called}) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command: str) -> None:
    text = documents()
    missing = []
    for name, is_on in options_of(command):
        typed = option(f"no_{name}" if is_on else name)
        if not re.search(rf"(?<![\w-]){typed}(?![\w-])", text):
            missing.append(typed)
    assert missing == []


def test_every_figure_is_in_the_gallery() -> None:
    """Those of single tasks are named by their form."""
    gallery = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    drawn = {file.name for file in (ROOT / "results" / "figures").glob("*.png")}
    assert len(drawn) > 50
    absent = {name for name in drawn if f"/{name})" not in gallery}
    assert {name for name in absent if not name.startswith("token_projections_")} == set()


def test_the_readme_counts_the_tasks() -> None:
    further = len(packaged_tasks()) - len(PAPER_TASKS)
    counted = f"the paper's {len(PAPER_TASKS)} tasks and {further} more"
    assert counted in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_link_in_the_documents_leads_to_a_file() -> None:
    broken = [
        (file.name, link)
        for file in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text(encoding="utf-8"))
        if not (file.parent / link).exists()
    ]
    assert broken == []


def test_the_table_of_sizes_is_computed_from_the_catalogue() -> None:
    text = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")
    row = re.compile(
        r"^\| `(.+)` \| ([\d.]+) \| (.+) GB \| (.+) GB \| (.+) \| (.+) \|$", re.MULTILINE
    )
    found = row.findall(text)
    assert len(found) > 5
    for alias, *cells in found:
        parameters = catalogue()[alias].parameters
        operations = 2 * parameters * 104_100
        expected = [
            f"{parameters / 1e9:.1f}",
            *(f"{bytes_each * parameters / 1e9:,.0f}" for bytes_each in (4, 2)),
            f"{operations / 1e12:,.0f}",
            f"{operations / 238e9 / 60:,.0f}",
        ]
        assert cells == expected, alias


def test_the_table_of_a_large_remote_run_is_computed_from_the_catalogue() -> None:
    text = (ROOT / "docs" / "remote.md").read_text(encoding="utf-8")
    row = re.compile(
        r"^\| `(.+)` \| (\d+) \| ([\d,]+) \| (.+ GB) \| (.+ MB) \|(.+)\|$", re.MULTILINE
    )
    found = row.findall(text)
    assert len(found) == 10
    vectors_gb = operations = 0.0
    for alias, blocks, width, node, of_task, rest in found:
        parameters = catalogue()[alias].parameters
        values = 2 * 100 * int(blocks) * int(width.replace(",", ""))
        work = 2 * parameters * 104_100
        assert node == f"{2 * parameters * 1.15 / 1e9 + 0.524:,.0f} GB", alias
        assert of_task == f"{values / 1e6:,.0f} MB", alias
        expected = [
            f"{18 * values / 1e9:.1f} GB",
            f"{work / 1e15:.1f}",
            f"{work / 238e9 / 3600:.1f}",
        ]
        assert [cell.strip() for cell in rest.split("|")] == expected, alias
        vectors_gb += 18 * values / 1e9
        operations += work
    assert f"| vectors down | {vectors_gb:.1f} GB" in text
    hours = operations / 238e9 / 3600
    assert f"| server's time | {operations / 1e15:.1f} PFLOP, {hours:.0f} hours" in text
    assert f"take {operations / 1e12 / 3600:.1f}/R hours" in text


@pytest.mark.slow
def test_the_page_of_architectures_is_made_from_the_tests() -> None:
    """In a process of its own, because it collects tests."""
    command = [sys.executable, "-m", "tests.helpers.families", "--print"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    committed = (ROOT / "docs" / "families.md").read_text(encoding="utf-8")
    assert committed == made, "run python -m tests.helpers.families"
