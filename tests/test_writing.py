import errno
import fcntl
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

import pytest

from tvsight.writing import has, whole_file


def test_a_file_appears_when_it_is_complete_and_keeps_its_suffix(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("before")
    with whole_file(target) as new:
        assert (new.parent.parent, new.name) == (tmp_path, "table.csv")
        new.write_text("after")
        assert target.read_text() == "before"
    assert target.read_text() == "after"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_has_the_permissions_of_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "new").touch()
    with whole_file(tmp_path / "vector") as new:
        new.touch(mode=0o600)  # as safetensors does
    assert (tmp_path / "vector").stat().st_mode == (tmp_path / "new").stat().st_mode


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_a_failure_leaves_the_earlier_file_and_nothing_else(
    tmp_path: Path, error: BaseException
) -> None:
    target = tmp_path / "table.csv"
    target.write_text("before")

    def write() -> None:
        with whole_file(target) as new:
            new.write_text("aft")
            raise error

    with pytest.raises(type(error)):
        write()
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_ctrl_c_at_any_moment_leaves_no_unfinished_file(tmp_path: Path) -> None:
    def interrupt_after(calls: int, target: Path) -> bool:
        """Write a file, with an interrupt as a call of C returns; whether it came."""
        returned = 0

        def count(_: FrameType, event: str, __: object) -> None:
            nonlocal returned
            returned += event == "c_return"
            if returned == calls:
                raise KeyboardInterrupt

        with suppress(KeyboardInterrupt):
            with whole_file(target) as new:
                sys.setprofile(count)  # its own error ends it
                new.write_text("after")
            sys.setprofile(None)
            return False
        return True

    calls, target = 1, tmp_path / "table.csv"
    while interrupt_after(calls, target):
        calls += 1
        assert {file.name for file in tmp_path.iterdir()} <= {"table.csv"}
    assert calls > 20
    assert target.read_text() == "after"


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    def write() -> None:
        with whole_file(tmp_path / "table.csv"):
            pass

    with pytest.raises(FileNotFoundError):
        write()


KILLED = """
import sys, time
from pathlib import Path
from tvsight.writing import whole_file
with whole_file(Path(sys.argv[1])) as new:
    new.write_text("half")
    print(new.relative_to(Path(sys.argv[1]).parent), flush=True)
    time.sleep(60)
"""


def test_what_a_killed_process_left_of_a_file_goes_when_it_is_written_again(tmp_path: Path) -> None:
    target, others = tmp_path / "table[1].csv", [".new-0a1b2c3d-other.csv", ".new-table[1].csv"]
    for name in others:
        (tmp_path / name).write_text("of somebody else")
    command = [sys.executable, "-c", KILLED, str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        left = process.stdout.readline().strip()
        with whole_file(target) as new:
            new.write_text("of one that lives beside it")
        assert (tmp_path / left).read_text() == "half"
        process.kill()
    with whole_file(target) as new:
        new.write_text("after")
        assert not (tmp_path / left).parent.exists()
        with whole_file(tmp_path / "other.csv") as at_the_same_time:
            at_the_same_time.write_text("x")
            assert new.exists()
    assert target.read_text() == "after"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*others, "other.csv", target.name]
    )


def test_a_folder_without_locks_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_here(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", none_here)
    with whole_file(tmp_path / "table.csv") as new:
        new.write_text("x")
    assert (tmp_path / "table.csv").read_text() == "x"


def test_a_failure_to_flush_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.EDQUOT, "quota")

    monkeypatch.setattr(os, "fsync", full)

    def write() -> None:
        with whole_file(tmp_path / "table.csv") as new:
            new.write_text("x")

    with pytest.raises(OSError, match="quota"):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["foreign", "link", "link to nothing", "link to our own", "pipe"])
def test_what_somebody_else_wrote_stays_and_is_named(tmp_path: Path, there: str) -> None:
    target, other = tmp_path / "page.html", tmp_path / "other.html"
    if there.startswith("link"):
        target.symlink_to(other)
        if there != "link to nothing":
            other.write_text("OURS" if there == "link to our own" else "of somebody else")
    elif there == "pipe":
        os.mkfifo(target)
    else:
        target.write_text("of somebody else")
    before = [(path.name, path.lstat()[:2]) for path in sorted(tmp_path.iterdir())]

    def write() -> None:
        with whole_file(target, has(b"OURS")) as new:
            new.write_text("OURS")

    with pytest.raises(FileExistsError, match=r"did not write page\.html"):
        write()
    assert [(path.name, path.lstat()[:2]) for path in sorted(tmp_path.iterdir())] == before


@pytest.mark.parametrize("there", ["", "OURS", "OURS, of an earlier version"])
def test_an_own_or_empty_file_is_replaced(tmp_path: Path, there: str) -> None:
    target = tmp_path / "page.html"
    target.write_text(there)
    with whole_file(target, has(b"OURS")) as new:
        new.write_text("OURS, new")
    assert target.read_text() == "OURS, new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_comes_while_another_is_written_stays(tmp_path: Path) -> None:
    def write() -> None:
        with whole_file(tmp_path / "page.html", has(b"OURS")) as new:
            new.write_text("OURS")
            (tmp_path / "page.html").write_text("of somebody else")

    with pytest.raises(FileExistsError):
        write()
    assert (tmp_path / "page.html").read_text() == "of somebody else"
