"""Lists of examples, the form of the function-vector tasks."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.task_texts import TEXT, refusal
from tvsight.errors import Remark
from tvsight.tasks import Pair, Task
from tvsight.tasks.files import read_task_file

HOT = {"input": "hot", "output": "cold"}


def written(folder: Path, *examples: Any, name: str = "own.json") -> str:
    path = folder / name
    path.write_text(json.dumps(list(examples)), encoding="utf-8")
    return str(path)


def read(folder: Path, *examples: Any) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The accepted answers by input, and what is said, without the name of the file."""
    path = written(folder, *examples)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pairs = read_task_file(path).pairs
    assert {warning.category for warning in caught} <= {Remark}
    answers = {pair.input: pair.answers for pair in pairs}
    assert len(answers) == len(pairs)
    return answers, [str(warning.message).removeprefix(f"{path}: ") for warning in caught]


def pair(given: str, answer: object) -> dict[str, object]:
    return {"input": given, "output": answer}


def test_a_list_of_examples_is_a_task_named_after_its_file(tmp_path: Path) -> None:
    path = written(tmp_path, HOT, pair("wet", "dry"), name="word-opposite_2.json")
    assert read_task_file(written(tmp_path, HOT, name="My Own--T!.JSON")).name == "my_own--t"
    pairs = (Pair("hot", ("cold",)), Pair("wet", ("dry",)))
    assert read_task_file(path) == Task(
        "word-opposite_2", "custom", "a task from a file", "exact", pairs, "a file of the user"
    )


@given(st.dictionaries(TEXT, TEXT, min_size=1, max_size=8))
def test_clean_examples_are_read_as_written_and_nothing_is_said(
    tmp_path_factory: pytest.TempPathFactory, pairs: dict[str, str]
) -> None:
    answers, told = read(tmp_path_factory.getbasetemp(), *(pair(x, y) for x, y in pairs.items()))
    assert answers == {given: (answer,) for given, answer in pairs.items()}
    assert told == []


def test_white_space_at_the_ends_is_left_out_and_said(tmp_path: Path) -> None:
    examples = [pair("moderate", "mäßig\n"), pair(" a piece of news \t", " World"), HOT]
    answers, told = read(tmp_path, *examples)
    assert answers == {"moderate": ("mäßig",), "a piece of news": ("World",), "hot": ("cold",)}
    assert told == ["white space at the ends of 3 texts is left out."]
    assert read(tmp_path, pair("a", "b ")) == (
        {"a": ("b",)},
        ["white space at the ends of 1 text is left out."],
    )


def test_examples_that_differ_in_white_space_alone_are_repeated(tmp_path: Path) -> None:
    answers, told = read(tmp_path, HOT, pair("hot ", "cold"))
    assert answers == {"hot": ("cold",)}
    assert told == [
        "white space at the ends of 1 text is left out; 1 repeated example counted once."
    ]


def test_contradictory_outputs_are_all_accepted_the_most_frequent_first(tmp_path: Path) -> None:
    examples = [pair("i", "j"), pair("v", "w"), *[pair("i", "ii")] * 2, pair("v", ["vi"])]
    answers, told = read(tmp_path, *examples)
    assert answers == {"i": ("ii", "j"), "v": ("w", "vi")}
    assert told == [
        "1 repeated example counted once; 2 inputs have several outputs, all of them accepted "
        "(such as 'i': 'ii' and 'j')."
    ]
    _, (told_of_one,) = read(tmp_path, pair("i", "j"), pair("i", "ii"), HOT)
    assert told_of_one.startswith("1 input has several outputs, all of them accepted")


def test_further_keys_are_not_read_and_said(tmp_path: Path) -> None:
    answers, told = read(tmp_path, HOT | {"id": 1, "a\x1bb": None}, pair("wet", "dry") | {"id": 2})
    assert answers == {"hot": ("cold",), "wet": ("dry",)}
    assert told == [r"only input and output are read, not 'id', 'a\x1bb'."]


@pytest.mark.parametrize(
    ("example", "part"),
    [
        ({"input": "c"}, """no "output"; an example such as {"input": "hot", "output": "cold"}"""),
        ({"output": "d"}, """no "input"; an example such as"""),
        (["c", "d"], "was expected, found ['c', 'd']"),
        (pair("c", None), "None: text was expected, in quotation marks"),
        ({"input": 1.5, "output": "d"}, "1.5: text was expected"),
        (pair("c", []), "output: at least one text was expected, found []"),
        (pair("c", ["d", 3]), "3: text was expected"),
        (pair("c", " \n"), "'': text without white space around it was expected"),
        (pair("c", "x" * 10**6), "at most 4,000 characters were expected, found 1,000,000"),
        (pair("c\x00c", "d"), r"'c\x00c': text without a control character"),
    ],
)
def test_a_broken_example_is_refused_with_its_number(
    tmp_path: Path, example: Any, part: str
) -> None:
    message = refusal(tmp_path / "own.json", json.dumps([HOT, example, pair("x", "y")]))
    assert message.startswith(f"{tmp_path / 'own.json'}, pair 2: ")
    assert part in message
    assert len(message) < 300 + len(str(tmp_path))


def test_an_empty_list_and_a_repeated_key_are_refused(tmp_path: Path) -> None:
    assert "own.json: pairs: at least one was expected" in refusal(tmp_path / "own.json", "[]")
    twice = '[{"input": "a", "input": "b", "output": "c"}]'
    assert "the key 'input' is there twice" in refusal(tmp_path / "own.json", twice)


def test_examples_may_be_the_pairs_of_a_named_task(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    content = {"name": "long-answers", "match": "prefix", "pairs": [pair("a ", "b c"), HOT]}
    path.write_text(json.dumps(content))
    with pytest.warns(Remark, match="white space at the ends of 1 text is left out"):
        own = read_task_file(str(path))
    assert (own.name, own.match) == ("long-answers", "prefix")
    assert own.pairs == (Pair("a", ("b c",)), Pair("hot", ("cold",)))


def test_a_file_named_like_a_packaged_task_gets_another_name_and_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, HOT, name="sentiment.json")
    with pytest.warns(Remark, match=r"there is a packaged task named 'sentiment', so this one is"):
        assert read_task_file(path, packaged=["sentiment"]).name == "sentiment-own"
    assert read_task_file(path, packaged=["antonyms"]).name == "sentiment"
