import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.helpers.called_commands import called
from tests.helpers.commands import ROOT, SETTINGS, Finished, analysis, cells, imported
from tests.helpers.damages import LATER, truncate
from tests.helpers.drafts import draft
from tests.helpers.example_store import (
    CURRENT,
    IDENTITY,
    MADE,
    NAME,
    OTHER,
    OWN,
    RESULT,
    ROWS,
    VECTORS,
    record,
    unfinished,
)
from tests.helpers.hostile import WORDS, raw
from tvsight.cli.results import _agreed
from tvsight.models import EMBEDDED
from tvsight.storage.store import Result, Store

MODEL_CODE = {"torch", "transformers", "nnsight", "tokenizers"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that holds `CURRENT` with vectors and `OWN` without."""
    store = Store(tmp_path / "results")
    made = MADE | {"device": "cpu", "place": {"kind": "simulated server"}}
    store.save(CURRENT, ROWS, VECTORS, made)
    store.save(OWN, ROWS.assign(task="my_task"), None, MADE | {"device": "cpu"})
    return store


def results(action: str, store: Store, *more: str | Path) -> Finished:
    return called("results", action, "--results", store.root, *more)


def alone(action: str, store: Store, *others: str) -> Finished:
    """The same in a process of its own, which says what it has imported."""
    where = ("--results", store.root)
    process = analysis("results", action, *where, *others, python=("-X", "importtime"))
    assert imported(process.stderr) & {"pandas", *MODEL_CODE} == {"pandas"}
    return process


def test_list_shows_every_result_without_model_code(store: Store) -> None:
    process = alone("list", store, "--all")
    assert process.returncode == 0
    first, second = cells(process)
    assert first[:4] == ["main_results", "org/model-1b", "antonyms", CURRENT.key]
    assert first[5:7] == ["float32", "cpu (simulated server)"]
    assert first[8] == MADE["versions"]["tvsight"]
    assert (first[10], second[10]) == ("yes", "no")
    assert (second[2], second[6]) == ("my_task", "cpu")
    assert re.match(r"2 results, [\d.]+ kB", process.stdout)


def test_list_shows_the_reference_results() -> None:
    chosen = ("--tasks", "knowledge,to_upper", "--experiment", "controls", "--model", EMBEDDED)
    process = called("results", "list", *chosen, "--all")
    assert (process.returncode, process.stderr) == (0, "")
    listed = cells(process)
    assert len(listed) == 5
    assert {row[4] for row in listed} == {"50 + 50"}
    described = json.loads(called("results", "list", *chosen, "--json").stdout)
    assert [list(one.values())[3:5] for one in described] == [row[2:4] for row in listed]


def test_list_has_a_row_for_each_experiment_model_and_settings() -> None:
    chosen = ("--tasks", "to_upper,antonyms", "--experiment", "main_results", "methods")
    process = called("results", "list", *chosen, "--model", EMBEDDED)
    rows = [line.split("  ") for line in process.stdout.splitlines() if EMBEDDED in line]
    shown = [[cell.strip() for cell in row if cell.strip()][:4] for row in rows]
    shots = [f"float32, shots {count}" for count in (1, 12, 16, 2, 3, 8)]
    seeds = [f"float32, seed {seed}" for seed in (1, 2)]
    settings = ["float32", *seeds, *shots]
    assert shown[: len(settings)] == [["main_results", EMBEDDED, of, "2"] for of in settings]
    assert shown[len(settings)] == ["methods", EMBEDDED, "float32, method mean_state", "2"]


def test_verify_is_silent_about_a_whole_folder_and_names_what_is_wrong(store: Store) -> None:
    process = alone("verify", store)
    assert (process.returncode, process.stdout) == (0, "2 results checked, nothing is wrong.\n")
    truncate(store.root / CURRENT.path / "vectors.safetensors")
    left, job = unfinished(store, RESULT), record(store, f"{OWN.path.name}-0")
    process = results("verify", store)
    assert (process.returncode, process.stderr) == (1, "")
    assert process.stdout.startswith("2 results checked, 4 found that should not be so.\n")
    told = [f"{CURRENT.path}: damaged: vectors.safetensors", left.name, job.name, ".lock: left"]
    assert [part for part in told if part not in process.stdout] == []
    store.set_aside(OWN.path)
    assert "1 moved aside by runs before" in results("verify", store).stdout


def test_verify_quick_finds_what_manifests_and_sizes_show(store: Store) -> None:
    process = results("verify", store, "--quick")
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout == "2 results checked by manifest and size, nothing is wrong.\n"
    truncate(store.root / CURRENT.path / "vectors.safetensors")
    process = results("verify", store, "--quick")
    assert process.returncode == 1
    assert f"{CURRENT.path}: damaged: vectors.safetensors has " in process.stdout


def test_what_a_later_version_wrote_is_named_and_kept_by_every_action(
    store: Store, tmp_path: Path
) -> None:
    LATER["a later schema"][0](store.root / OWN.path)
    job = record(store, f"{RESULT.path.name}-0")
    job.write_text('{"version": 9, "written_by": "7.5"}')
    for action, *more in (
        ("list",),
        ("verify",),
        ("verify", "--quick"),
        ("clean", "--yes"),
        ("export", "--output", str(tmp_path / "mine.zip")),
    ):
        process = results(action, store, *more)
        assert process.stderr == ""
        if action != "clean":
            assert process.returncode == 1
            assert f"{OWN.path}: later: schema 9, written by tvsight 7.5" in process.stdout
    assert job.exists()
    assert (store.root / OWN.path / "rows.parquet").exists()


def test_clean_without_a_terminal_removes_only_with_yes(store: Store) -> None:
    left = unfinished(store, RESULT)
    process = results("clean", store)
    assert process.returncode == 2
    (message,) = process.stderr.splitlines()
    assert "--yes. Nothing was removed" in message
    assert left.exists()
    process = results("clean", store, "--yes")
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.endswith("2 results checked. Freed 4 B.\n")
    assert not left.exists()
    assert results("clean", store).stdout == "2 results checked. Nothing to remove.\n"
    assert set(store.paths()) == {CURRENT.path, OWN.path}


def test_clean_asks_a_person(store: Store) -> None:
    left = unfinished(store, RESULT)
    mine, theirs = pty.openpty()
    command = [sys.executable, "-m", "analyses.results", "clean", "--results", str(store.root)]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | SETTINGS, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(mine, 1000)
        assert left.exists()
        os.write(mine, b"yes\n")
        process.wait(timeout=600)
    os.close(mine)
    assert process.returncode == 0
    assert not left.exists()
    assert b"checking results" in shown
    assert left.name.encode() in shown


@pytest.mark.parametrize(
    ("typed", "agreed"), [("n\n", False), ("\n", False), ("", False), ("Yes \n", True)]
)
def test_only_a_yes_agrees(typed: str, agreed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("stdin", typed), ("stdout", "")):
        stream = io.StringIO(text)
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
        monkeypatch.setattr(sys, name, stream)
    assert _agreed("Remove? ") == agreed


def test_an_export_redraws_elsewhere_to_identical_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft(monkeypatch)
    reference, tasks = tmp_path / "here", ("--tasks", "antonyms,to_upper")
    for name in tasks[1].split(","):
        for folder in (ROOT / "results" / "main_results" / EMBEDDED).glob(f"{name}-*"):
            shutil.copytree(folder, reference / folder.relative_to(ROOT / "results"))
    count = len(list(reference.glob("*/*/*")))
    for kind in ("tar.gz", "zip"):
        archive = tmp_path / kind / f"reference.{kind}"
        process = results("export", Store(reference), "--output", archive)
        assert (process.returncode, process.stderr) == (0, "")
        assert process.stdout.startswith(f"Wrote {archive}: {count} results, ")
    with tarfile.open(tmp_path / "tar.gz" / "reference.tar.gz") as tar:
        tar.extractall(tmp_path / "tar.gz", filter="data")
    with zipfile.ZipFile(tmp_path / "zip" / "reference.zip") as opened:
        opened.extractall(tmp_path / "zip")
    there, too = (tmp_path / kind / "reference" for kind in ("tar.gz", "zip"))
    assert contents(there) == contents(too)
    for folder in (there, reference):
        redrawn = called("main_results", "--redraw", *tasks, "--results", folder)
        assert redrawn.returncode == 0, redrawn.stderr
    assert contents(there / "tables") == contents(reference / "tables")


def contents(folder: Path) -> dict[Path, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}


def test_revisions_are_listed_and_runs_exported_each_with_its_own_block(
    store: Store, tmp_path: Path
) -> None:
    peaks = {("step1000", 0): 0, ("step2000", 0): 3, ("step2000", 1): 5}
    for (name, seed), block in peaks.items():
        weights = name[-4:] * 10
        own = {"weights": f"commit:{weights}", "seed": seed}
        asked = Result(CURRENT.identity | own)
        right = (ROWS["layer"] == block).fillna(False)
        rows = ROWS.assign(correct=right.astype(bool).astype(ROWS["correct"].dtype))
        store.save(asked, rows, VECTORS, MADE | {"source": {"kind": "hub", "asked": [name]}})
    listed = {row[2] for row in cells(results("list", store, "--all"))}
    assert listed == {"", "step1000 (commit 100010001000)", "step2000 (commit 200020002000)"}
    archive = tmp_path / "mine.zip"
    assert results("export", store, "--vectors", "figures", "--output", archive).returncode == 0
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path)
    there = Store(tmp_path / "mine")
    for path in there.paths():
        manifest = there.verified(path)
        (name,) = manifest.get("source", {}).get("asked", [""])
        if name:
            block = peaks[name, manifest["identity"]["seed"]]
            assert f"at_{block}" in there.vectors(path)


def test_an_export_leaves_damage_out_by_name(store: Store, tmp_path: Path) -> None:
    truncate(store.root / CURRENT.path / "rows.parquet")
    store.save(OTHER, ROWS, None, MADE)
    (store.root / OTHER.path / "manifest.json").write_text("")
    process = results("export", store, "--output", tmp_path / "mine.zip", "--vectors", "none")
    assert process.returncode == 1
    assert f"{NAME}: damaged" in process.stdout
    assert f"{OTHER.path.name}: damaged" in process.stdout
    with zipfile.ZipFile(tmp_path / "mine.zip") as opened:
        assert {name.split("/")[3] for name in opened.namelist()} == {OWN.path.name}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("list", "--results", "FOLDER/absent"), "a results folder was expected"),
        (
            ("export", "--experiment", "answers", "--output", "FOLDER/x.rar"),
            r"ends in \.tar\.gz, \.tgz, \.zip",
        ),
        (
            ("export", "--model", "gemma-3-270", "--output", "FOLDER/x.zip"),
            "Did you mean 'gemma-3-270m'",
        ),
        (("export", "--tasks", "knowlege", "--output", "FOLDER/x.zip"), "--tasks 'knowlege'"),
    ],
)
def test_a_mistake_is_explained_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    given = (argument.replace("FOLDER", str(tmp_path)) for argument in arguments)
    process = called("results", *given)
    assert (process.returncode, process.stdout) == (2, "")
    (line,) = process.stderr.splitlines()
    assert re.match(f"error: .*{message}", line)
    assert list(tmp_path.iterdir()) == []


def test_hostile_names_are_shown_harmless(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    for word in WORDS.values():
        hostile = Result(IDENTITY | {"model": word, "task": word, "dtype": word})
        made = {"versions": {"tvsight": word}, "device": word, "place": {"kind": word}}
        store.save(hostile, ROWS.assign(model=word, task=word), None, made)
        (store.root / hostile.path / word[:20].replace("/", "").replace("\x00", "")).touch()
    for action in ("list", "verify", "clean"):
        process = results(action, store)
        assert raw(process.stdout + process.stderr) == set()
        assert "Traceback" not in process.stderr
