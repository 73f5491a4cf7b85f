import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from tests.helpers.commands import Finished, analysis, cells
from tests.helpers.hostile import raw
from tvsight.experiments.conflicting_tasks.numbers import by_pair
from tvsight.output.console import PLAIN_WIDTH
from tvsight.storage.store import Store

PAIRS = ("next_letter:to_upper", "prev_letter:next_letter")
SMALL = ("--episodes-per-split", "4", "--shots", "3")
DRAWN = {
    f"{folder}/conflicting_tasks{name}.{kind}"
    for folder, name, kinds in (
        ("tables", "", ("csv", "md", "tex")),
        ("figures", "_qwen2", ("png", "pdf", "caption.md")),
        ("figures", "_by_block_qwen2", ("png", "pdf", "caption.md")),
    )
    for kind in kinds
}


class Run(NamedTuple):
    """A finished run of two pairs."""

    checkpoint: Path
    results: Path
    process: Finished


def asked(checkpoint: Path, results: Path, *more: str | Path) -> Finished:
    small = SMALL[:2] if "--shots" in more else SMALL
    return analysis("conflicting_tasks", "--model", checkpoint, "--results", results, *small, *more)


@pytest.fixture(scope="module")
def finished(
    tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Run:
    checkpoint = tiny_checkpoint("qwen2")
    results = tmp_path_factory.mktemp("run") / "results"
    return Run(checkpoint, results, asked(checkpoint, results, "--pairs", *PAIRS))


def test_a_run_measures_draws_and_names_its_files(finished: Run) -> None:
    process = finished.process
    assert (process.returncode, process.stderr) == (0, "")
    assert "qwen2, conflicting_tasks: 0 of 2 are in the store, 2 to do" in process.stdout
    for name in ("next_letter→to_upper", "prev_letter→next_letter"):
        assert re.search(rf"^{name}: ICL \d.\d\d on A, .*n 4 \(4 queries\)", process.stdout, re.M)
    assert set(re.findall(r"^Wrote (.+)$", process.stdout, re.MULTILINE)) == {
        str(finished.results / name) for name in DRAWN
    }


def test_the_table_fits_a_page_and_has_the_papers_numbers_below_ours(finished: Run) -> None:
    printed = finished.process.stdout
    assert max(map(len, re.findall("^[│┃].*$", printed, re.MULTILINE))) <= PLAIN_WIDTH
    *rows, by_zero_shot, by_conflict = cells(finished.process)
    assert [row[:2] for row in (by_zero_shot, by_conflict)] == [
        ["qwen2", "zero-shot"],
        ["qwen2", "conflict"],
    ]
    assert by_conflict[-1] == "2"  # tests
    models = ["qwen2", "qwen2", "LLaMA 13B (paper)"]
    assert [(row[1], row[0]) for row in rows] == [
        (pair, model)
        for pair in ("next letter / to upper case", "previous letter / next letter")
        for model in models
    ]
    assert rows[5][2:7] == ["(zero-shot)", "0.51", "0.14", "0.08", "0.74"]
    assert re.fullmatch(r"\d \(conflict\)", rows[1][2])
    assert rows[1][-1] == "4 (4)"


def test_the_table_is_that_of_the_stored_rows(finished: Run) -> None:
    store = Store(finished.results)
    rows = pd.concat([store.rows(path) for path in store.paths()])
    table = pd.read_csv(finished.results / "tables" / "conflicting_tasks.csv")
    ours = table[table["source"] == "tvsight"].set_index(["task", "layer_rule"])
    wanted = by_pair(rows).set_index(["task", "layer_rule"])
    assert len(ours) == len(wanted) == 4
    for column in ("icl_patched", "task_vector_demonstrations", "task_vector_patched_high"):
        pd.testing.assert_series_equal(ours[column], wanted[column], rtol=1e-5)
    assert table["source"].tolist() == ["tvsight", "tvsight", "paper"] * 2


def test_a_redraw_gives_the_same_bytes(finished: Run, tmp_path: Path) -> None:
    shutil.copytree(
        finished.results / "conflicting_tasks", tmp_path / "results" / "conflicting_tasks"
    )
    options = ("--model", finished.checkpoint, "--pairs", *PAIRS, *SMALL, "--redraw")
    process = analysis("conflicting_tasks", *options, "--results", tmp_path / "results")
    assert process.returncode == 0
    for name in DRAWN:
        again = (tmp_path / "results" / name).read_bytes()
        assert again == (finished.results / name).read_bytes()


@pytest.mark.slow
def test_a_redraw_names_the_pairs_that_are_not_stored(finished: Run, tmp_path: Path) -> None:
    shutil.copytree(finished.results / "conflicting_tasks", tmp_path / "conflicting_tasks")
    process = asked(
        finished.checkpoint, tmp_path, "--redraw", "--pairs", *PAIRS, "list_last:list_first"
    )
    assert process.returncode == 1
    assert "Missing: qwen2 / list_last→list_first. not in the store" in process.stdout


def test_a_dry_run_says_what_is_missing_and_writes_nothing(finished: Run, tmp_path: Path) -> None:
    results = tmp_path / "results"
    process = asked(finished.checkpoint, results, "--dry-run")
    assert (process.returncode, process.stderr) == (0, "")
    assert "present_simple_past_simple→present_simple_gerund: to be measured" in process.stdout
    assert not results.exists()


@pytest.mark.slow
def test_a_simulated_server_measures_a_task_of_ones_own(finished: Run, tmp_path: Path) -> None:
    letters = [chr(97 + number) for number in range(26)]
    pairs = [[x, y] for x, y in zip(letters, letters[2:] + letters[:2], strict=True)]
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"name": "second_next", "pairs": pairs}))
    options = ("--task-file", own, "--remote-simulated", "--pairs", "second_next:to_upper")
    process = asked(finished.checkpoint, tmp_path, *options)
    assert (process.returncode, process.stderr) == (0, "")
    assert "paper" not in process.stdout
    (manifest,) = tmp_path.glob("conflicting_tasks/qwen2/*/manifest.json")
    found = json.loads(manifest.read_text())
    assert found["place"]["kind"] == "simulated server"
    assert found["pairs"] == {"conflicting": 26}


@pytest.mark.slow
def test_a_pair_that_the_tokenizer_leaves_too_few_queries_fails_alone(
    finished: Run, tmp_path: Path
) -> None:
    shutil.copytree(finished.results / "conflicting_tasks", tmp_path / "conflicting_tasks")
    process = asked(finished.checkpoint, tmp_path, "--pairs", PAIRS[0], "en_es:en_fr")
    assert process.returncode == 1
    assert "Traceback" not in process.stdout + process.stderr
    assert re.search("Missing: qwen2 / en_es→en_fr.*at least 20", process.stdout)
    table = pd.read_csv(tmp_path / "tables" / "conflicting_tasks.csv")
    assert set(table["task"]) == {"next_letter→to_upper"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--pairs", "next_leter:to_upper"), "unknown task 'next_leter'. Did you mean 'next_let"),
        (("--pairs", "next_letter"), "--pairs 'next_letter': two tasks with a colon"),
        (("--pairs", "\x1b[31m:to_upper"), "unknown task"),
        (("--pairs", "to_upper:to_lower"), "The pair to_upper:to_lower: 0 inputs of both"),
        (("--save-episodes", "asked.jsonl"), "--save-episodes: an episode of conflicting tasks"),
        (("--tasks", "antonyms"), "--tasks: --pairs chooses the tasks here"),
        (("--shots", "25"), "25 demonstrations.*26"),
    ],
)
def test_a_mistake_is_explained_in_one_line_before_anything_is_written(
    finished: Run, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    results = tmp_path / "results"
    process = asked(finished.checkpoint, results, *options)
    assert (process.returncode, process.stdout) == (2, "")
    (line,) = process.stderr.splitlines()
    assert re.match(f"error: .*{message}", line)
    assert raw(process.stderr) == set()
    assert not results.exists()


def test_help_names_its_options() -> None:
    process = analysis("conflicting_tasks", "--help")
    assert process.returncode == 0
    assert "--pairs A:B" in process.stdout
