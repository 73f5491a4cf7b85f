import errno
import os
from pathlib import Path

import pytest

from tvsight.writing import whole_file


def test_a_file_appears_when_it_is_complete_and_keeps_its_suffix(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("before")
    with whole_file(target) as new:
        assert (new.parent, new.suffix) == (tmp_path, ".csv")
        new.write_text("after")
        assert target.read_text() == "before"
    assert target.read_text() == "after"
    assert list(tmp_path.iterdir()) == [target]


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


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    def write() -> None:
        with whole_file(tmp_path / "table.csv"):
            pass

    with pytest.raises(FileNotFoundError):
        write()


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
