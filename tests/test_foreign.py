"""Foreign files and JSON: refused by kind, size and content, before anything waits or fails."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.prompt_files import read_prompts
from tests.helpers.example_store import RESULT, example_store
from tvsight import foreign
from tvsight.errors import UsageError
from tvsight.foreign import Unusable, parsed
from tvsight.library.files import read_vector
from tvsight.methods.files import read_method
from tvsight.prompts import read_episodes
from tvsight.sharing.hub import claimed
from tvsight.storage.contents import DamagedResult
from tvsight.storage.job_records import Records
from tvsight.storage.manifests import later_writer
from tvsight.storage.ownership import owns
from tvsight.storage.versions import is_later
from tvsight.tasks.files import read_task_file


def sparse(file: Path) -> None:
    """A file that says that it has a terabyte, and has nothing."""
    file.touch()
    os.truncate(file, 10**12)


def listening(file: Path) -> None:
    socket.socket(socket.AF_UNIX).bind(os.path.relpath(file))


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (os.mkfifo, "a named pipe, where a file was expected"),
    "device": (lambda file: file.symlink_to("/dev/zero"), "a device, where a file was expected"),
    "folder": (Path.mkdir, "a folder, where a file was expected"),
    "socket": (listening, "a socket, where a file was expected"),
    "holes": (sparse, "larger than"),
    "nowhere": (lambda file: file.symlink_to("/none"), "No such file or directory"),
}
READERS: dict[str, Callable[[Path], object]] = {
    "task.json": lambda file: read_task_file(str(file)),
    "task.csv": lambda file: read_task_file(str(file)),
    "episodes.jsonl": read_episodes,
    "prompts.json": read_prompts,
    "method.py": read_method,
    "theta.safetensors": lambda file: read_vector(file, "m"),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", READERS)
def test_no_file_of_a_user_is_opened_that_is_none(
    name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    make, why = ODD[kind]
    make(tmp_path / name)
    with pytest.raises(UsageError, match=why):
        READERS[name](tmp_path / name)


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", ["manifest.json", "rows.parquet", "vectors.safetensors"])
def test_no_file_of_a_result_is_opened_that_is_none(
    name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = example_store(tmp_path)
    file = tmp_path / RESULT.path / name
    monkeypatch.chdir(file.parent)
    file.unlink()
    ODD[kind][0](file)
    with pytest.raises(DamagedResult, match=name):
        store.verified(RESULT.path)
    if name == "manifest.json":
        assert later_writer(file.parent) is None
        assert claimed(file, RESULT.path) is None
        assert not owns(tmp_path, RESULT.path)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "holes"])
def test_no_job_record_is_opened_that_is_none(kind: str, tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.folder.mkdir()
    ODD[kind][0](records.folder / "name-0.json")
    assert records.all() == []
    assert [found.why for _, found in records.unusable()] == ["no readable job record"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (r'{"a": ["b\ud800"]}', r"half of a character, 'b\\ud800'"),
        (r'{"\udfff": 1}', "half of a character"),
        ("[" * 100_000, "too deep"),
        ("[" * 51 + "]" * 51, "too deep"),
        ('{"a": 1, "a": 2}', "the key 'a' is there twice"),
        ("[NaN]", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("[1e999]", "1e999 is no number"),
        ("9" * 400, "is no number"),
        ("9" * 5000, "is no number"),
    ],
)
def test_json_that_could_not_be_used_later_is_refused(text: str | bytes, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        parsed(text)


def test_other_json_is_what_the_library_reads() -> None:
    value = {"a": [1, 2.5, None, True, "é😀"], "b": {"c": "9" * 9}}
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert parsed(text) == parsed(text.encode()) == value
    assert parsed("[" * 50 + "]" * 50)
    with pytest.raises(json.JSONDecodeError):
        parsed("{")


def test_line_breaks_are_read_as_python_reads_them(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes("\ufeffa\r\nb\rc\u2028d".encode())
    assert foreign.read_text(tmp_path / "x", 100) == "a\nb\nc\u2028d"


@pytest.mark.parametrize("version", ["1" * 5000, "9" * 5000 + ".1", "", "x", None, [], 1e308])
def test_an_odd_version_is_not_later(version: object) -> None:
    assert not is_later(version)
