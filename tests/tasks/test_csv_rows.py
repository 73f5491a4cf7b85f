"""CSV files: their headings, and other separators."""

import warnings
from pathlib import Path

import pytest

from tests.helpers.task_texts import made, refusal
from tvsight.errors import Remark
from tvsight.tasks.files import read_task_file


@pytest.mark.parametrize(
    "headings",
    [
        *("input,output", "word,translation", "WORD,ANTONYM", '"x","y"', " Input ,Target"),
        *("English,French", "country,capital"),
    ],
)
def test_the_usual_headings_of_a_csv_file_are_no_pair(tmp_path: Path, headings: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(f"\n{headings}\na,b\nc,d\n", encoding="utf-8-sig")
    with pytest.warns(Remark, match=r"own\.csv, line 2: .* is read as the names of the columns"):
        assert read_task_file(str(path)).pairs == made({"a": ["b"], "c": ["d"]})


@pytest.mark.parametrize("first", ["a,b", "from,to", "output,input", "word,in"])
def test_another_first_line_of_a_csv_file_is_a_pair(tmp_path: Path, first: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(f"{first}\nc,d\ninput,output\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pairs = read_task_file(str(path)).pairs
    assert [f"{pair.input},{pair.answer}" for pair in pairs] == [first, "c,d", "input,output"]


def test_a_csv_file_of_headings_alone_has_no_pairs(tmp_path: Path) -> None:
    with pytest.warns(Remark):
        message = refusal(tmp_path / "own.csv", "input,output\n")
    assert "own.csv: pairs: at least one was expected" in message


@pytest.mark.parametrize("line", ["a;b", "a\tb", "a|b"])
def test_another_separator_is_named(tmp_path: Path, line: str) -> None:
    assert "Columns are separated by a comma." in refusal(tmp_path / "own.csv", f"{line}\nc;d\n")
