"""Folders of task files."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tvsight.errors import UsageError
from tvsight.tasks import select
from tvsight.tasks.folders import task_files

EXAMPLES = json.dumps([{"input": "hot", "output": "cold"}])
NAMED = json.dumps({"name": "named", "pairs": [["a", "b"]]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three task files, and what is none."""
    inside = tmp_path / "tasks"
    (inside / "deeper").mkdir(parents=True)
    (inside / "b-second.json").write_text(EXAMPLES)
    (inside / "a_first.json").write_text(EXAMPLES)
    (inside / "C.CSV").write_text("a,b\n")
    for other in ("README.md", ".hidden.json", "notes.json.bak", "deeper/d.json"):
        (inside / other).write_text("no task")
    (inside / "folder.json").mkdir()
    return inside


def test_a_folder_names_the_task_files_in_it_sorted(folder: Path) -> None:
    names = ["C.CSV", "a_first.json", "b-second.json"]
    assert task_files(str(folder)) == [str(folder / name) for name in names]
    assert [task.name for task in select("none", [str(folder)])] == ["c", "a_first", "b-second"]


def test_files_and_folders_join_the_selection(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "named.json").write_text(NAMED)
    chosen = select("to_upper", [str(tmp_path / "named.json"), str(folder)])
    assert [task.name for task in chosen] == ["to_upper", "named", "c", "a_first", "b-second"]


@pytest.mark.parametrize(
    ("prepare", "part"),
    [
        (lambda folder: (folder / "README.md").write_text(""), "expected."),
        (
            lambda folder: [
                ((folder / name).mkdir(), (folder / name / "x.json").write_text(EXAMPLES))
                for name in ("one", "two", ".three")
            ],
            "expected. There are some in its folders: one, two.",
        ),
    ],
    ids=["nothing", "deeper ones"],
)
def test_a_folder_without_task_files_is_refused(
    tmp_path: Path, prepare: Callable[[Path], object], part: str
) -> None:
    prepare(tmp_path)
    told = f"{tmp_path}: no task files in this folder; names that end in .json or .csv were {part}"
    with pytest.raises(UsageError, match=f"^{re.escape(told)}$"):
        select("none", [str(tmp_path)])


def test_two_files_of_one_name_are_refused_with_both(folder: Path) -> None:
    (folder / "deeper" / "d.json").rename(folder / "deeper" / "a_first.json")
    (folder / "deeper" / "a_first.json").write_text(EXAMPLES)
    with pytest.raises(UsageError) as refused:
        select("none", [str(folder), str(folder / "deeper")])
    assert str(refused.value) == (
        f"{folder / 'deeper' / 'a_first.json'}: there is a task named 'a_first' already (of "
        f"{folder / 'a_first.json'}); rename yours."
    )


def test_a_folder_that_cannot_be_read_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(UsageError, match=f"^{re.escape(str(folder))}: Permission denied$"):
        task_files(str(folder))
