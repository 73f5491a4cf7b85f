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
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
import pytest
import tyro
from rich.console import Console

import tvsight
from benchmarks import document_numbers
from tests.helpers.commands import ROOT
from tests.helpers.embedded import needs_embedded
from tvsight.cli.program import COMMANDS
from tvsight.config import RunConfig
from tvsight.errors import option
from tvsight.experiments import EXPERIMENTS
from tvsight.experiments.function_vectors import Options as FunctionVectorOptions
from tvsight.experiments.function_vectors import request as function_vectors
from tvsight.experiments.learned_vectors import request as learned_vectors
from tvsight.models.loading import load_tokenizer
from tvsight.output.console import Display
from tvsight.protocol import central
from tvsight.protocol.options import AnswerOptions
from tvsight.run.planning import read_plan
from tvsight.run.runner import Runner
from tvsight.storage import schemas
from tvsight.tasks import PAPER_TASKS, packaged_tasks

if TYPE_CHECKING:
    from tvsight.models.loading import Model

GEMMA = "gemma-3-270m"
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
    columns = {*schemas.SCORED.columns, *schemas.EPISODES.columns}
    columns.update(*(schema.columns for schema in schemas.SCHEMAS.values()))
    assert sorted(columns - named_fields()) == []


@pytest.fixture(scope="module")
def manifests(
    tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """Those of the committed results, and one of each of eight experiments that is written now."""
    results = tmp_path_factory.mktemp("docs")
    model = tvsight.load(tiny_checkpoint("llama"), device="cpu")
    options: dict[str, Any] = {"model": (model.source.location,), "results": str(results)}
    options |= {"tasks": "to_upper", "episodes_per_split": 2, "shots": 2, "device": "cpu"}
    runner = Runner(Display(Console(quiet=True)), model)
    function_vectors.collect(runner, FunctionVectorOptions(**options))
    whole = AnswerOptions(answer_tokens=2, methods=("mean_state",), **options)
    central.collect(runner, whole)
    learned_vectors.collect(runner, RunConfig(**options))
    new = sorted(results.glob("*/*/*/manifest.json"))
    assert len(new) == 8
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
    gallery = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    drawn = {file.name for file in (ROOT / "results" / "figures").glob("*.png")}
    assert len(drawn) > 40
    assert {name for name in drawn if f"/{name})" not in gallery} == set()


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


@pytest.mark.parametrize("page", document_numbers.pages(), ids=lambda page: page.name)
def test_numbers_are_those_of_the_committed_results(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert document_numbers.written(text) == text, "run python -m benchmarks.document_numbers"
    # Outside its blocks, a page has no number with an interval, and a page of findings no accuracy.
    outside = document_numbers.BLOCK.sub("", text)
    typed = {"README.md": r"\n## What holds\n.*?\n## ", "findings.md": ".*"}.get(page.name, "$")
    found = re.search(typed, outside, re.DOTALL)
    assert found is not None
    assert re.findall(r"-?\d\.\d\d\b", found[0]) == []
    assert re.findall(r"\d\.\d+ \[-?\d", outside) == []


def test_every_declared_table_is_shown_and_every_block_is_closed() -> None:
    text = documents()
    shown = re.findall(r"^<!-- generated: (.+) -->$", text, re.MULTILINE)
    assert len(shown) == len(document_numbers.BLOCK.findall(text)) == text.count("<!-- end -->")
    declared = document_numbers.DECLARED["tables"]
    parts = {part for spec in declared.values() for part in map(str, spec.get("parts", []))}
    assert {*declared} == {*shown} | ({*declared} & parts)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "central",
            "| Tasks that ICL solves on which the vector beats the baseline (of all) "
            "| 16 of 16 (16 of 18) | 12 of 13 (12 of 18) |",
        ),
        ("unbeaten", "| SmolLM2 135M Instruct, 4-bit | 4 of 13 (9 of 18) |"),
        ("blocks", "| The paper's seven, as reported | – | – | 0.44 to 0.50 |"),
        ("recognition", "| ICL, shuffled labels | 0.95 | 0.40 |"),
        ("steering", "| 0.39 [0.25, 0.52], at most 0.43 (α = 0.5) |"),
        ("speed", "| … over the arithmetic lower bound, at most | 1.8 |"),
        ("store", "| redraw 18 tasks | 8.6 s | 9.3 s |"),
        ("sizes", "| `gpt-j-6b` | 6.1 | 24 GB | 12 GB | 1,260 | 88 |"),
    ],
)
def test_a_generated_table_says(name: str, line: str) -> None:
    """Chosen, ordered, counted, summed up, divided and ranked as was worked out before."""
    assert line in document_numbers.markdown(name)


def test_a_block_is_replaced_and_the_text_around_it_stays() -> None:
    old = "before\n<!-- generated: tokens -->\n| 7 of 18 |\n<!-- end -->\nafter\n"
    new = document_numbers.written(old)
    assert new.startswith("before\n<!-- generated: tokens -->\n\n| ")
    assert new.endswith("| 8 of 18 |\n\n<!-- end -->\nafter\n")
    assert document_numbers.written(new) == new
    with pytest.raises(KeyError, match="tokes"):
        document_numbers.written(old.replace("tokens", "tokes"))
    with pytest.raises(ValueError, match="shots has no row"):
        document_numbers.cells({"table": "shots", "where": {"model": "x"}, "columns": {}})


@pytest.mark.slow
def test_the_page_of_architectures_is_made_from_the_tests() -> None:
    """In a process of its own, because it collects tests."""
    command = [sys.executable, "-m", "tests.helpers.families", "--print"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    committed = (ROOT / "docs" / "families.md").read_text(encoding="utf-8")
    assert committed == made, "run python -m tests.helpers.families"


def capitals() -> pd.DataFrame:
    """The first test episode about capitals in the reference results: a row per procedure."""
    folder = ROOT / "results" / "main_results" / GEMMA
    for file in folder.glob("country_capital-*/manifest.json"):
        asked = json.loads(file.read_text(encoding="utf-8"))["identity"]
        if (asked["shots"], asked["seed"]) == (5, 0):
            rows = pd.read_parquet(file.parent / "rows.parquet")
            return rows[(rows["split"] == "test") & (rows["episode"] == 0)].set_index("procedure")
    raise AssertionError("capitals were not measured")


@needs_embedded
def test_the_first_look_and_the_schematic_show_an_episode_as_it_was_measured() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("\n## A first look\n")[2].partition("\n## ")[0]
    schematic = (ROOT / "docs" / "schematic.svg").read_text(encoding="utf-8")
    rows = capitals()
    predicted, layer = rows["predicted"].str.strip(), rows["layer"]["task_vector"]
    shown = dict(re.findall(r"^(baseline|ICL|task vector): +(\S+)$", section, re.MULTILINE))
    procedures = {"baseline": "baseline", "ICL": "icl", "task vector": "task_vector"}
    assert shown == {said: predicted[name] for said, name in procedures.items()}
    assert f"({layer}, theta[{layer}])" in section
    assert f">block {layer}<" in schematic
    plan = read_plan(RunConfig(tasks="country_capital"))
    model = cast("Model", SimpleNamespace(tokenizer=load_tokenizer(GEMMA), name=GEMMA))
    episode = next(e for e in plan.episodes(plan.tasks[0], model)[0] if e.split == "test")
    words = [word for pair in episode.demonstrations for word in pair]
    words += [episode.query, episode.dummy_queries[0], *shown.values()]
    assert [word for word in words if word.strip() not in schematic] == []


def test_every_slow_test_is_there() -> None:
    for name in (ROOT / "tests" / "slow.txt").read_text(encoding="utf-8").splitlines():
        file, _, function = name.partition("::")
        assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8"), name
