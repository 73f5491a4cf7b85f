"""A real disk that is full, has no files left, or is mounted read-only."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.helpers.commands import Finished, analysis
from tests.helpers.example_store import MADE, OTHER, RESULT, ROWS, VECTORS
from tvsight.errors import StorageError, UsageError
from tvsight.output.plots import Plot
from tvsight.output.theme import new_figure
from tvsight.sharing.archive import export
from tvsight.storage.inspection import entries, remove, verify
from tvsight.storage.job_records import JobRecord, Records
from tvsight.storage.store import Store

pytestmark = pytest.mark.slow

Mount = Callable[[str], Path]
SMALL = ("--episodes-per-split", "4", "--shots", "3")


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a file system in memory, with options such as `size=1m`; it goes with the test."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mounted(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(disk)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no mount command")
        if done.returncode:
            pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
        return disk

    yield mounted
    subprocess.run(["umount", str(disk)], capture_output=True, check=False)


def fill(folder: Path, leave: int = 0) -> Path:
    """A file that takes all room but `leave` bytes."""
    filler = folder / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    os.truncate(filler, filler.stat().st_size - leave)
    return filler


def read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def test_a_full_disk_is_named_and_earlier_results_are_whole(mount: Mount) -> None:
    disk = mount("size=1m")
    store = Store(disk / "results")
    store.save(RESULT, ROWS, VECTORS, MADE)
    for leave in (0, 4096, 16384):
        filler = fill(disk, leave)
        with pytest.raises(
            StorageError, match=r"antonyms-.* cannot be written: .*[Nn]o space left"
        ):
            store.save(OTHER, ROWS, {"dev": VECTORS["dev"].repeat(50, 1, 1)}, MADE)
        filler.unlink()
        assert verify(store) == []
        assert list(store.paths()) == [RESULT.path]
    store.save(OTHER, ROWS, VECTORS, MADE)
    assert store.holds(OTHER)


def test_a_full_disk_is_found_before_anything_is_measured(mount: Mount) -> None:
    disk = mount("size=256k")
    fill(disk)
    with pytest.raises(StorageError, match=r"No space left on device\. --results names another"):
        Store(disk).prepare()
    assert [path.name for path in disk.iterdir()] == ["filler"]


def test_a_disk_without_room_for_another_file_is_named(mount: Mount) -> None:
    disk = mount("size=1m,nr_inodes=12")
    store = Store(disk)
    store.save(RESULT, ROWS, VECTORS, MADE)
    files = 0
    with suppress(OSError):
        while True:
            (disk / f"file{files}").touch()
            files += 1
    with pytest.raises(StorageError, match="No space left"):
        store.save(OTHER, ROWS, None, MADE)
    with pytest.raises(StorageError, match="No space left"):
        store.acquire(OTHER)
    with pytest.raises(StorageError, match="No space left"):
        Records(disk).write(JobRecord("n-0", "j", "h", "m", "d", "s"))
    with pytest.raises(UsageError, match="No space left"):
        export(store, entries(store)[0], disk / "mine.zip")
    assert store.holds(RESULT)
    for number in range(files):
        (disk / f"file{number}").unlink()
    store.save(OTHER, ROWS, None, MADE)
    assert verify(store) == []


def test_a_read_only_folder_can_be_looked_at_and_not_changed(mount: Mount, tmp_path: Path) -> None:
    disk = mount("size=1m")
    store = Store(disk)
    store.save(RESULT, ROWS, VECTORS, MADE)
    with store.lock(OTHER):
        pass
    read_only(disk)
    for change in (
        store.prepare,
        lambda: store.save(OTHER, ROWS, None, MADE),
        lambda: store.set_aside(RESULT.path),
        lambda: store.acquire(RESULT),
        lambda: remove(store, verify(store)),
    ):
        with pytest.raises(StorageError, match="Read-only file system"):
            change()
    assert [finding.kind for finding in verify(store)] == ["left over"]
    export(store, entries(store)[0], tmp_path / "mine.zip")
    assert store.holds(RESULT)


def test_a_run_on_a_disk_that_fills_up_ends_with_one_line_and_can_be_repeated(
    mount: Mount, tiny_checkpoint: Callable[[str], Path]
) -> None:
    disk = mount("size=4m")

    def run(tasks: str, *more: str) -> Finished:
        options = ("--model", tiny_checkpoint("qwen2"), "--results", disk / "results", *SMALL)
        return analysis("main_results", *options, "--tasks", tasks, *more)

    assert run("to_upper").returncode == 0
    before = {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
    filler = fill(disk, 12288)
    for process in (run("to_upper,next_letter,prev_letter"), run("to_upper", "--redraw")):
        assert process.returncode == 2
        (message,) = process.stderr.splitlines()
        assert message.startswith("error: ")
        assert "No space left on device" in message
        assert "prev_letter" not in process.stdout
    filler.unlink()
    assert {path: path.read_bytes() for path in before} == before
    assert analysis("results", "verify", "--results", disk / "results").returncode == 1  # the lock
    assert run("to_upper,next_letter,prev_letter").returncode == 0
    assert analysis("results", "verify", "--results", disk / "results").returncode == 0
    read_only(disk)
    process = run("to_upper,to_lower")
    assert process.returncode == 2
    assert "Read-only file system" in process.stderr
    assert len(process.stderr.splitlines()) == 1


def test_a_figure_that_finds_no_room_is_named(mount: Mount) -> None:
    disk, refused = mount("size=512k"), 0
    for leave in range(0, 100_000, 8192):
        figure = new_figure(3.3, 2.0)
        figure.subplots().plot([0, 1])
        filler = fill(disk, leave)
        try:
            Plot(figure, "Title", "Caption").write(disk / "figures", "figure", svg=True)
        except UsageError as error:
            refused += "No space left on device" in str(error)
        else:
            assert {file.suffix for file in (disk / "figures").iterdir()} >= {".pdf", ".svg"}
            break
        filler.unlink()
        shutil.rmtree(disk / "figures", ignore_errors=True)
    assert refused == leave // 8192 > 2
