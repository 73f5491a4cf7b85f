"""The commands of six experiments: planned, measured, drawn, and drawn again to the same bytes."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from tests.helpers.commands import Finished, analysis, cells
from tests.helpers.hostile import raw
from tvsight.output.console import PLAIN_WIDTH
from tvsight.output.latex import FULL
from tvsight.output.procedures import BESIDE_CONTROLS

pytestmark = pytest.mark.slow

SIZES = ("--shots", "3", "--episodes-per-split", "4")
TWO = ("--tasks", "to_upper,prev_letter")
SIMULATED = "--remote-simulated"
MINE = "in {x} out {y}|\\n"
BESIDE_CENTRAL = "qwen2, main_results: 0 of 2 are in the store, 2 to do"


class Command(NamedTuple):
    """A command on a tiny model."""

    options: tuple[str, ...]
    planned: tuple[str, ...]
    """What a dry run says."""
    tables: tuple[str, ...]
    """Ends of the names of tables that have texts too."""
    numbers: tuple[str, ...]
    """Of CSV files alone."""
    figures: tuple[str, ...]
    once: tuple[str, ...] = ()
    """Options of the run that measures."""


COMMANDS = {
    "controls": Command(
        TWO,
        (BESIDE_CENTRAL, "controls: after main_results"),
        (
            *("", "_means", "_shuffled", "_recognition", "_by_block"),
            *("_transfer", "_distances", "_seen"),
        ),
        (),
        ("_qwen2", "_by_block", "_transfer_qwen2", "_distances"),
        (SIMULATED,),
    ),
    "conflicting_tasks": Command(
        ("--pairs", "next_letter:to_upper", "prev_letter:next_letter"),
        ("next_letter→to_upper: to be measured",),
        ("",),
        (),
        ("_qwen2", "_by_block_qwen2"),
    ),
    "steering": Command(
        TWO,
        (BESIDE_CENTRAL, "qwen2, head_effects: 0 of 2 are in", "steering: after head_effects"),
        ("", "_collapse"),
        ("_means", "_ranges"),
        ("_qwen2", "_collapse_qwen2"),
        (SIMULATED,),
    ),
    "learned_vectors": Command(
        TWO,
        ("learned_vectors: 0 of 2 are in the store, 2 to do",),
        ("", "_by_block"),
        ("_means",),
        ("_qwen2",),
        (SIMULATED,),
    ),
    "templates": Command(
        (*TWO, "--templates", "arrow", MINE, "--dummy-queries", "3"),
        ("to_upper: to be measured",),
        ("", "_dummy_queries", "_by_task"),
        ("_means",),
        ("_qwen2", "_dummy_queries_qwen2"),
    ),
    "token_projections": Command(
        TWO,
        (BESIDE_CENTRAL, "token_projections: after main_results"),
        ("", "_ranks"),
        ("_overview",),
        ("", "_overview_qwen2", "_by_task_qwen2"),
    ),
}


class Run(NamedTuple):
    """A command that has ended."""

    name: str
    options: tuple[str | Path, ...]
    results: Path
    planned: Finished
    ended: Finished

    def files(self) -> dict[str, bytes]:
        """What is drawn."""
        folders = (self.results / "tables", self.results / "figures")
        return {file.name: file.read_bytes() for folder in folders for file in folder.iterdir()}

    def numbers(self, part: str = "") -> pd.DataFrame:
        return pd.read_csv(self.results / "tables" / f"{self.name}{part}.csv", na_filter=False)


Runs = Callable[[str], Run]


@pytest.fixture(scope="module")
def run(tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The commands by name, each run once."""
    known: dict[str, Run] = {}

    def ended(name: str) -> Run:
        if name not in known:
            command, results = COMMANDS[name], tmp_path_factory.mktemp(name)
            where = ("--model", tiny_checkpoint("qwen2"), "--results", results)
            options = (*where, *command.options, *SIZES, "--verbose")
            planned = analysis(name, *options, "--dry-run")
            assert list(results.iterdir()) == []
            known[name] = Run(
                name, options, results, planned, analysis(name, *options, *command.once)
            )
        return known[name]

    return ended


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_planned_measured_and_drawn_again(run: Runs, name: str) -> None:
    command, found = COMMANDS[name], run(name)
    for process in (found.planned, found.ended):
        assert (process.returncode, process.stderr) == (0, "")
    assert [words for words in command.planned if words not in found.planned.stdout] == []
    drawn, kinds = found.files(), ("png", "pdf", "caption.md")
    assert drawn.keys() == {
        *(f"{name}{part}{end}" for part in command.tables for end in (".csv", ".md", ".tex", FULL)),
        *(f"{name}{part}.csv" for part in command.numbers),
        *(f"{name}{part}.{kind}" for part in command.figures for kind in kinds),
    }
    wrote = re.findall(r"^Wrote (.+)$", found.ended.stdout, re.MULTILINE)
    assert {Path(path).name for path in wrote} == drawn.keys()
    again = analysis(name, *found.options, "--redraw")
    assert (again.returncode, again.stderr) == (0, "")
    assert found.files() == drawn


def test_controls_have_a_number_for_every_procedure(run: Runs) -> None:
    table = run("controls").numbers()
    assert table["no_op"].tolist() == table["baseline"].tolist()
    assert (table[list(BESIDE_CONTROLS)] != "").all(axis=None)


def test_pairs_are_printed_beside_the_papers(run: Runs) -> None:
    printed = run("conflicting_tasks").ended
    line = r"^next_letter→to_upper: ICL \d.\d\d on A, .*n 4 \(4 queries\)"
    assert re.search(line, printed.stdout, re.M)
    assert max(map(len, re.findall("^[│┃].*$", printed.stdout, re.MULTILINE))) <= PLAIN_WIDTH
    *rows, by_zero_shot, by_conflict = cells(printed)
    assert [row[0] for row in rows] == ["qwen2", "qwen2", "LLaMA 13B (paper)"] * 2
    assert rows[5][2:7] == ["(zero-shot)", "0.51", "0.14", "0.08", "0.74"]
    assert by_zero_shot[:2] + by_conflict[:2] == ["qwen2", "zero-shot", "qwen2", "conflict"]


def test_what_is_steered_with_is_whole_in_the_store(run: Runs) -> None:
    verified = analysis("results", "verify", "--results", run("steering").results)
    assert verified.returncode == 0, verified.stdout


def test_each_template_is_under_every_other_and_escaped(run: Runs) -> None:
    found, names = run("templates"), ["example", "arrow", MINE]
    pairs = [[one, other] for one in names for other in names]
    assert found.numbers()[["extracted_under", "applied_under"]].to_numpy().tolist() == pairs
    assert [row[1:3] for row in cells(found.ended)[:9]] == pairs
    dummies = found.numbers("_dummy_queries")[["dummy_choice", "dummy_queries"]]
    of_task = [["task", number] for number in (1, 2, 3, 4, 8)]
    assert dummies.to_numpy().tolist() == [*of_task, ["foreign", 3], ["query", 1]]
    assert rb"in {x} out {y}\|\\n" in found.files()["templates_by_task.md"]
    manifests = [json.loads(file.read_text()) for file in found.results.rglob("manifest.json")]
    assert {tuple(manifest["pairs"]["spaced"]) for manifest in manifests} == {tuple(names)}


def test_all_tokens_are_shown_harmless_and_episodes_saved(run: Runs, tmp_path: Path) -> None:
    found, saved = run("token_projections"), tmp_path / "episodes.jsonl"
    line = r"^to_upper: best answers at rank \d+ after block \d, “upper” at rank \d+ .*, “capital” "
    assert re.search(line, found.ended.stdout, re.MULTILINE)
    shown = analysis(found.name, *found.options, "--all-tokens", "--save-episodes", saved)
    assert (shown.returncode, shown.stderr, raw(shown.stdout)) == (0, "", set())
    texts = [content.decode() for name, content in found.files().items() if ".p" not in name]
    assert [raw(text) for text in texts if raw(text)] == []
    table = found.numbers()
    assert not table.loc[table["source"] == "tvsight", "token"].str.isalpha().all()
    assert sum('"query"' in text for text in saved.read_text().splitlines()) == 2 * 8


def test_one_task_is_controlled_without_others_and_a_bad_one_is_named(
    run: Runs, tmp_path: Path
) -> None:
    few, (_, model, *_) = tmp_path / "few.json", run("controls").options
    pairs = ", ".join(f'["{x}", "{x} with many tokens"]' for x in "abcdefghijklmnopqrstuvwxyz")
    few.write_text(f'{{"name": "bad", "pairs": [{pairs}]}}')
    asked = ("--tasks", "to_upper", "--task-file", few, *SIZES)
    ended = analysis("controls", "--model", model, "--results", tmp_path / "r", *asked)
    assert ended.returncode == 1
    assert "qwen2 / bad" in ended.stdout
    assert "only one task" in ended.stdout
    rows = pd.read_csv(tmp_path / "r" / "tables" / "controls_means.csv")
    assert set(rows["procedure"]) == {
        *("baseline", "icl", "task_vector", "own_mean"),
        *("no_op", "random_vector", "shuffled_labels", "icl_shuffled"),
    }
    assert not (tmp_path / "r" / "tables" / "controls_transfer.csv").exists()
