import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import torch

from tests.helpers.commands import Finished, analysis
from tests.helpers.hostile import raw
from tvsight.cli.analysis import run
from tvsight.output.labels import cut_note, shared_note
from tvsight.protocol.central import MainResults

TABLES = ("", "_means", "_recognition", "_models", "_scores")
FIGURES = ("", "_by_task_qwen2")
DRAWN = {
    *(
        f"tables/main_results{name}{kind}"
        for name in TABLES
        for kind in (".csv", ".md", ".tex", "_full.tex")
    ),
    *(
        f"figures/main_results{name}.{kind}"
        for name in FIGURES
        for kind in ("png", "pdf", "caption.md")
    ),
    "tables/main_results_scores_means.csv",
}
SMALL = ("--episodes-per-split", "4", "--shots", "3")
Typed = Callable[..., Finished]


class Run(NamedTuple):
    """A finished run of two tasks."""

    checkpoint: Path
    results: Path
    process: Finished
    options: tuple[str | Path, ...]


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Callable[[str], Path]) -> Path:
    return tiny_checkpoint("qwen2")


@pytest.fixture(scope="module")
def finished(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    results = tmp_path_factory.mktemp("run") / "results"
    options = ("--model", checkpoint, "--tasks", "to_upper,next_letter", "--results", results)
    options = (*options, *SMALL)
    return Run(checkpoint, results, analysis("main_results", *options), options)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """The command in this process, with the options that are given."""

    def end(*options: str | Path) -> Finished:
        monkeypatch.setattr(sys, "argv", ["main_results", *map(str, options)])
        for stream in ("stdout", "stderr"):  # which the command replaces
            monkeypatch.setattr(sys, stream, getattr(sys, stream))
        with pytest.raises(SystemExit) as ended:
            run("main_results", None)
        return Finished(options, int(str(ended.value.code)), *capsys.readouterr())

    return end


def test_a_run_says_what_it_did_and_nothing_on_stderr(finished: Run) -> None:
    process = finished.process
    assert (process.returncode, process.stderr) == (0, "")
    assert "qwen2, main_results: 0 of 2 are in the store, 2 to do" in process.stdout
    for task in ("to_upper", "next_letter"):
        assert re.search(
            rf"^{task}: Baseline \d.\d\d .* ICL .* Task vector .*n 4", process.stdout, re.M
        )
    assert re.search("^to_upper: .*  first pair a → A$", process.stdout, re.M)
    tables, figures = (finished.results / name for name in ("tables", "figures"))
    wrote = re.findall(r"^Wrote (.+)$", process.stdout, re.MULTILINE)
    assert wrote == [f"{len(TABLES) + 1} tables in {tables}, {len(FIGURES)} figures in {figures}."]
    verbose = analysis("main_results", *finished.options, "--redraw", "--verbose").stdout
    assert set(re.findall(r"^Wrote (.+)$", verbose, re.MULTILINE)) == {
        str(finished.results / name) for name in DRAWN
    }


def test_the_finding_comes_first_then_a_table_with_a_line_of_means(finished: Run) -> None:
    drawn = analysis("main_results", *finished.options, "--redraw")
    title, *lines = [line for line in drawn.stdout.splitlines() if line.strip()]
    caption = (finished.results / "figures" / "main_results.caption.md").read_text()
    assert caption.startswith(f"**{title.strip()}.**")
    assert lines[0].strip() == "qwen2: accuracy on test episodes"
    assert (
        lines[1].split()
        == [*("Task", "Baseline", "ICL", "Task", "vector", "Block", "Note")][
            : len(lines[1].split())
        ]
    )
    assert [line[:15].strip() for line in lines[3:6]] == [
        *("next letter", "to upper case", "mean of 2")
    ]
    assert max(map(len, lines[:6])) <= 80
    assert "[" not in "".join(lines[:6])
    assert any(line.startswith("--verbose shows intervals, all columns and ") for line in lines)


def test_a_run_of_fewer_tasks_keeps_what_is_drawn(finished: Run) -> None:
    place = finished.results / "tables" / "main_results.csv"
    before = place.read_bytes()
    fewer = (*finished.options, "--redraw", "--tasks=to_upper")
    narrower = [option for option in fewer if option not in ("--tasks", "to_upper,next_letter")]
    kept = analysis("main_results", *narrower)
    assert kept.returncode == 0
    assert f"{place} and " in kept.stdout
    assert "have 2 tasks × 1 model (2 results); kept. --overwrite replaces them." in kept.stdout
    assert place.read_bytes() == before
    assert analysis("main_results", *narrower, "--overwrite").returncode == 0
    assert place.read_bytes() != before
    assert analysis("main_results", *finished.options, "--redraw").returncode == 0
    assert place.read_bytes() == before


@pytest.mark.slow
def test_answers_that_begin_alike_are_said_beneath_the_tables(
    checkpoint: Path, tmp_path: Path
) -> None:
    own = tmp_path / "alike.json"
    pairs = [[x, f"QW{x}" if x in "abc" else x] for x in "abcdefghijklmnopqrstuv"]
    own.write_text(json.dumps({"name": "alike", "match": "prefix", "pairs": pairs}))
    options = ("--model", checkpoint, "--tasks", "to_upper", "--task-file", own)
    results = ("--results", tmp_path / "results")
    note = "3 of 22 answers begin with the same token as a wrong one"
    for redraw in ((), ("--redraw",)):
        process = analysis("main_results", *options, *results, *SMALL, *redraw)
        assert (process.returncode, process.stderr) == (0, "")
        assert re.findall(r"^.*begin with the same.*$", process.stdout, re.M) == [
            f"qwen2, alike: {note}, so some wrong answers may count as correct."
        ]
        for suffix in ("md", "tex"):
            table = (tmp_path / "results" / "tables" / f"main_results.{suffix}").read_text()
            assert table.count(note) == 1
    stored = [json.loads(file.read_text()) for file in tmp_path.rglob("manifest.json")]
    assert {file["identity"]["task"]: file["shared_first_token"] for file in stored} == {
        "to_upper": {"answers": 0, "of": 26},
        "alike": {"answers": 3, "of": 22},
    }


@pytest.mark.parametrize(
    ("note", "shared", "said"),
    [
        (shared_note, {"answers": 3, "of": 29}, True),
        (shared_note, {"answers": 3, "of": 30}, False),
        (shared_note, {"answers": 0, "of": 0}, False),
        (shared_note, None, False),  # a result of an early version
        (shared_note, {"answers": "3", "of": 4}, False),
        (shared_note, [3, 4], False),
        (cut_note, {"longer": 3, "of": 100, "longest": 11}, True),
        (cut_note, {"longer": 0, "of": 100, "longest": 8}, False),
        (cut_note, None, False),
        (cut_note, {"longer": "3", "of": 4, "longest": 11}, False),
    ],
)
def test_answers_that_begin_alike_or_are_cut_are_said_where_there_are_some(
    note: Callable[[object], str], shared: object, said: bool
) -> None:
    assert bool(note(shared)) is said


def test_a_model_that_demonstrations_never_help_is_named_with_likely_causes(finished: Run) -> None:
    table = pd.read_csv(finished.results / "tables" / "main_results.csv")
    assert (table["icl"] <= table["baseline"]).all()
    told = "qwen2: demonstrations help on no task. Likely causes: "
    assert told in finished.process.stdout


def test_a_run_writes_tables_figures_and_results(finished: Run) -> None:
    assert set(files(finished.results / "tables")) == names("tables")
    assert set(files(finished.results / "figures")) == names("figures")
    table = pd.read_csv(finished.results / "tables" / "main_results.csv")
    assert table["task"].tolist() == ["next_letter", "to_upper"]
    assert table["n"].tolist() == [4, 4]
    stored = [path.parent.name for path in finished.results.glob("main_results/qwen2/*/*.json")]
    assert sorted(name.rsplit("-", 1)[0] for name in stored) == ["next_letter", "to_upper"]


def test_a_redraw_gives_the_same_bytes(finished: Run, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(finished.results / "main_results", results / "main_results")
    options = ("--model", finished.checkpoint, "--tasks", "to_upper,next_letter", *SMALL)
    process = analysis("main_results", *options, "--results", results, "--redraw")
    assert process.returncode == 0
    for folder in ("tables", "figures"):
        assert files(results / folder) == files(finished.results / folder)


@pytest.mark.slow
def test_a_task_that_fails_is_named_and_the_others_are_drawn(finished: Run, tmp_path: Path) -> None:
    shutil.copytree(finished.results / "main_results", tmp_path / "main_results")
    options = ("--model", finished.checkpoint, "--tasks", "to_upper,present_simple_gerund")
    process = analysis("main_results", *options, "--results", tmp_path, *SMALL)
    assert process.returncode == 1
    assert "Traceback" not in process.stdout + process.stderr
    assert re.search("Missing: qwen2 / present_simple_gerund.*at least 20", process.stdout)
    table = pd.read_csv(tmp_path / "tables" / "main_results.csv")
    assert table["task"].tolist() == ["to_upper"]


@pytest.mark.slow
@pytest.mark.parametrize("fail_fast", [False, True])
def test_a_fault_in_a_library_is_a_task_that_failed(
    checkpoint: Path, tmp_path: Path, fail_fast: bool, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(request: object, model: object) -> None:
        torch.embedding(torch.zeros(20, 2), torch.tensor([21]))

    monkeypatch.setattr(MainResults, "steps", fail)
    options = ("--model", checkpoint, "--tasks", "to_upper", "--results", tmp_path / "results")
    process = typed(*options, *(("--fail-fast",) if fail_fast else ()))
    assert process.returncode == 1
    told = process.stderr.splitlines() if fail_fast else process.stdout.splitlines()[-1:]
    beginning = "error:" if fail_fast else "Missing: qwen2 / to_upper."
    assert told == [f"{beginning} IndexError: index out of range in self"]
    assert "Traceback" not in process.stdout + process.stderr


EPISODE = (
    '{"task": "to_upper", "split": "dev", "demonstrations": [["a", "A"]], "query": "b", '
    '"accepted": ["B"], "dummy_queries": ["c"]}\n'
)
MISTAKES = (
    ("--model", b"gema-3-270m", "Unknown model 'gema-3-270m'.*'gemma-3-270m'"),
    ("--tasks", b"antonym", "Unknown task 'antonym'.*'antonyms'"),
    ("--shots", b"0", "--shots 0: at least 1"),
    ("--shots", b"24", "need 27 pairs.*26"),
    ("--episodes", b"FOLDER/broken.jsonl", "broken.jsonl, line 2: "),
    ("--results", b"FOLDER/file/results", "file/results cannot be written"),
    ("--device", b"cuda", "--device cuda: torch sees no CUDA device"),
    ("--tasks", b"\x1b[31mto_upper", ""),
    ("--tasks", b"\xff", ""),
    ("--template", b"\xff{x}->{y}", ""),
    ("--template", b"\x1b[31m", ""),
    ("--model", b"\x1b]0;title\x07", ""),
    ("--model", b"../../../etc", ""),
    ("--model", b"a/../../b", ""),
    ("--model", b"FOLDER/\xff", ""),
    ("--task-file", b"\x1b[31m.json", ""),
    ("--episodes", b"FOLDER/\xe2\x80\xae.jsonl", ""),
    ("--results", b"FOLDER/file/\x1b[31m\xff", ""),
)
"""Options with a mistake, or with what a terminal or a file system would take for a command, and
what is told of it."""


@pytest.mark.slow
@pytest.mark.parametrize(("option", "value", "told"), MISTAKES)
def test_a_mistake_is_explained_harmlessly_before_anything_is_written(
    checkpoint: Path, tmp_path: Path, typed: Typed, option: str, value: bytes, told: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "broken.jsonl").write_text(EPISODE + EPISODE.replace('"b"', "7"))
    shutil.copytree(os.fsencode(checkpoint), os.fsencode(tmp_path) + b"/\xff")
    given = os.fsdecode(value.replace(b"FOLDER", os.fsencode(tmp_path)))
    right = {"--model": checkpoint, "--results": tmp_path / "results"}
    tasks = {} if option == "--episodes" else {"--tasks": "to_upper"}
    chosen = right | tasks | {option: given}
    ended = typed(*(part for pair in chosen.items() for part in pair))
    assert (ended.returncode, ended.stdout, raw(ended.stderr)) == (2, "", set())
    assert re.match(f"error: .*{told}", ended.stderr)
    assert not told or ended.stderr.count("\n") == 1
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["\x1b[31m<script>$x^{$|`_a_`\u202e😀\n..", "-rf" + "x" * 200])
def test_a_checkpoint_of_any_name_is_measured_and_shown_harmless(
    checkpoint: Path, tmp_path: Path, name: str
) -> None:
    shutil.copytree(checkpoint, tmp_path / name)
    results = tmp_path / "results"
    options = ("--tasks", "to_upper", "--results", results, *SMALL)
    process = analysis("main_results", "--model", tmp_path / name, *options)
    assert process.returncode == 0
    assert raw(process.stdout + process.stderr) == set()
    drawn = [path for path in results.rglob("*") if path.suffix in (".md", ".tex")]
    assert len(drawn) == 17
    for path in drawn:
        assert raw(path.read_text()) == set()
        assert path.suffix == ".tex" or "<" not in path.read_text()
    inside = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")}
    assert inside == {name, "results"}


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def names(folder: str) -> set[str]:
    return {name.removeprefix(f"{folder}/") for name in DRAWN if name.startswith(folder)}
