import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.task_texts import PAIRS, TEXT, made, refusal
from tvsight.errors import UsageError
from tvsight.tasks import Pair, Task
from tvsight.tasks.files import read_task_file
from tvsight.tasks.words import MAX_WORD


@given(pairs=PAIRS, escaped=st.booleans())
def test_json_pairs_are_read_as_written(
    tmp_path_factory: pytest.TempPathFactory, pairs: dict[str, list[str]], escaped: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "own.json"
    content = {"name": "own", "pairs": list(pairs.items())}
    path.write_text(json.dumps(content, ensure_ascii=escaped), encoding="utf-8")
    assert read_task_file(str(path)).pairs == made(pairs)


@given(pairs=st.dictionaries(TEXT, TEXT, min_size=1, max_size=8), quoting=st.booleans())
def test_csv_pairs_are_read_as_written(
    tmp_path_factory: pytest.TempPathFactory, pairs: dict[str, str], quoting: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "own.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL if quoting else csv.QUOTE_MINIMAL).writerows(
            pairs.items()
        )
    expected = tuple(Pair(given, (answer,)) for given, answer in pairs.items())
    assert read_task_file(str(path)).pairs == expected


def test_a_json_task_has_defaults(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text('{"name": "own_1", "pairs": [["a", "b"], ["c", ["d", "e"]]]}')
    pairs = (Pair("a", ("b",)), Pair("c", ("d", "e")))
    assert read_task_file(str(path)) == Task(
        "own_1", "custom", "a task from a file", "exact", pairs, "a file of the user"
    )


@pytest.mark.parametrize(
    ("file", "name"), [("colours.csv", "colours"), ("My Own--Task.CSV", "my_own_task")]
)
def test_a_csv_task_is_named_after_its_file(tmp_path: Path, file: str, name: str) -> None:
    (tmp_path / file).write_text("a,b\n")
    own = read_task_file(str(tmp_path / file))
    assert (own.name, own.match, own.category) == (name, "exact", "custom")


@pytest.mark.parametrize("file", ["own.json", "own.csv"])
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path, file: str) -> None:
    text = '{"name": "own", "pairs": [["a", "b"]]}' if file.endswith("json") else "a,b\r\n"
    (tmp_path / file).write_text(text, encoding="utf-8-sig")
    assert read_task_file(str(tmp_path / file)).pairs == (Pair("a", ("b",)),)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("", ["own.json, line 1: not JSON"]),
        ('{"name": "own",\n"pairs": [}', ["own.json, line 2: not JSON", '{"name": "my_task"']),
        ("[" * 100_000, ["own.json: too deep"]),
        ("9" * 5_000, ["own.json"]),
        ('"own"', ["own.json: a JSON object was expected, found str"]),
        ('{"pairs": [["a", "b"]]}', ["own.json: name: a short text was expected, found None"]),
        ('{"name": "own"}', ["own.json: pairs: a list such as"]),
        (b'{"name": "\xff"}', ["own.json: not UTF-8 text (byte 10)"]),
    ],
    ids=["empty", "syntax", "deep", "long number", "text", "no name", "no pairs", "latin-1"],
)
def test_a_file_that_is_no_task_is_refused(
    tmp_path: Path, content: str | bytes, parts: list[str]
) -> None:
    message = refusal(tmp_path / "own.json", content)
    assert all(part in message for part in parts)


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ({"name": "Own"}, "name 'Own': lower-case letters, digits, _ and - were expected"),
        ({"name": "a" * 65}, "at most 64, the first a letter"),
        ({"name": 3}, "name: a short text was expected, found 3"),
        ({"match": "fuzzy"}, "match 'fuzzy': one of exact, prefix"),
        ({"category": "other"}, "category 'other': one of algorithmic, translation, linguistic"),
        ({"description": ""}, "description: a short text was expected, found ''"),
        ({"description": "a\x1b[31m"}, r"description: a short text was expected, found 'a\x1b"),
        ({"pairs": []}, "pairs: at least one was expected"),
        ({"pairs": {"a": "b"}}, "pairs: a list such as"),
    ],
)
def test_a_wrong_header_is_refused(tmp_path: Path, header: dict[str, Any], part: str) -> None:
    content = {"name": "own", "pairs": [["a", "b"]], **header}
    message = refusal(tmp_path / "own.json", json.dumps(content))
    assert message.startswith(f"{tmp_path / 'own.json'}: ")
    assert part in message


@pytest.mark.parametrize(
    ("pair", "part"),
    [
        (["c"], "an input and an answer were expected, found ['c']"),
        ("cd", "an input and an answer were expected, found 'cd'"),
        ({"c": "d"}, "an input and an answer were expected"),
        (["c", []], "one or more different answers were expected"),
        (["c", ["d", "d"]], "one or more different answers were expected"),
        (["c", 3], "3: text without white space around it was expected"),
        (["\ufeffc", "d"], r"'\ufeffc': text without a control character"),
        (["", "d"], "'': text without white space around it was expected"),
        (["c\n", "d"], r"'c\n': text without white space around it was expected"),
        (["c", ["d", "e "]], "'e ': text without white space around it was expected"),
        (["c\x00c", "d"], r"'c\x00c': text without a control character"),
        (["c" * 5000, "d"], f"'{'c' * 56}...: at most 4,000 characters were expected, found 5,000"),
        (["a", "d"], "the input 'a' is there twice. Give it once (in JSON with a list"),
    ],
)
def test_a_wrong_pair_is_refused_with_its_number(tmp_path: Path, pair: Any, part: str) -> None:
    content = {"name": "own", "pairs": [["a", "b"], pair, ["x", "y"]]}
    assert f"own.json, pair 2: {part}" in refusal(tmp_path / "own.json", json.dumps(content))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "own.csv: pairs: at least one was expected"),
        ("a,b\nc\n", "own.csv, line 2: an input and an answer were expected, found ['c']"),
        ("a,b\n\n\nc\n", "own.csv, line 4: an input and an answer were expected"),
        ("a,b\nc, d\n", "own.csv, line 2: ' d': text without white space around it"),
        ("a,b\nc,\n", "own.csv, line 2: '': text without white space around it"),
        ("a,b\nx,y\na,c\n", "own.csv, line 3: the input 'a' is there twice"),
        ('a,b\n"c"c,d\n', "own.csv, line 2: not CSV"),
        ('a,b\n"c,d\n', "own.csv, line 2: not CSV"),
        ('a,b\n"c,d\ne",f\n', r"own.csv, line 3: 'c,d\ne': text without a control character"),
    ],
)
def test_a_wrong_csv_line_is_refused_with_its_number(tmp_path: Path, text: str, part: str) -> None:
    assert part in refusal(tmp_path / "own.csv", text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (
            '"Match": "prefix"',
            "unknown key 'Match'. Did you mean 'match'? Known are name, category",
        ),
        ('"origin": "me"', "unknown key 'origin'."),
        ('"match": "exact", "match": "prefix"', "the key 'match' is there twice"),
        ('"pairs": [["a", "b"]]', "the key 'pairs' is there twice"),
        ('"description": {"a": 1, "a": 2}', "the key 'a' is there twice"),
        ('"\\u006eame": "other"', "the key 'name' is there twice"),
    ],
)
def test_unknown_and_repeated_keys_are_refused(tmp_path: Path, text: str, part: str) -> None:
    content = '{"name": "own", "pairs": [["a", "b"]], ' + text + "}"
    assert part in refusal(tmp_path / "own.json", content)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_refused_with_the_one_that_is_read(
    tmp_path: Path, encoding: str
) -> None:
    for name, text in (("own.json", '{"name": "é"}'), ("own.csv", "é,a\n")):
        message = refusal(tmp_path / name, text.encode(encoding))
        assert "not UTF-8 text" in message
        assert "Save it in the encoding UTF-8." in message


def test_a_long_text_with_line_breaks_is_read_from_json(tmp_path: Path) -> None:
    question = "Which of these is warm?\na: ice\nb:\tfire\n" + "x" * MAX_WORD
    pairs = [[question[:MAX_WORD], "b"], ["c", "d" * MAX_WORD]]
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"name": "own-1", "pairs": pairs}))
    own = read_task_file(str(path))
    assert own.name == "own-1"
    assert [[pair.input, pair.answer] for pair in own.pairs] == pairs


def test_too_many_pairs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "3d.csv: name '3d': lower-case letters" in refusal(tmp_path / "3d.csv", "a,b\n")
    monkeypatch.setattr("tvsight.tasks.pairs.MAX_PAIRS", 2)
    (tmp_path / "own.csv").write_text("a,b\nc,d\n")
    assert len(read_task_file(str(tmp_path / "own.csv")).pairs) == 2
    message = refusal(tmp_path / "own.csv", "a,b\nc,d\ne,f\n")
    assert "own.csv: 3 pairs; at most 2 are read" in message
    monkeypatch.setattr("tvsight.tasks.files.MAX_FILE_BYTES", 3)
    assert "own.csv: larger than" in refusal(tmp_path / "own.csv", "a,bc\n")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.json: No such file or directory"):
        read_task_file(str(tmp_path / "absent.json"))
    with pytest.raises(UsageError, match="a folder, where a file was expected"):
        read_task_file(str(tmp_path))
