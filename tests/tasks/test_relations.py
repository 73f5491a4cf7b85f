"""Relations: word pairs that make a task in one direction or in both."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from tests.helpers.task_texts import FORWARD, INVERSE, PAIRS, made, refusal
from tvsight.errors import UsageError
from tvsight.tasks import Pair, Task
from tvsight.tasks.files import invert, read_relation, read_task_file


def test_a_relation_of_one_direction_makes_one_task() -> None:
    text = json.dumps({"origin": "here", "forward": FORWARD, "pairs": [["a", ["b", "c"]]]})
    pairs = (Pair("a", ("b", "c")),)
    assert read_relation(text, "r.json") == [
        Task("a_b", "knowledge", "from a to b", "exact", pairs, "here", title="a → b")
    ]


def test_a_relation_of_two_directions_makes_two_tasks_that_name_each_other() -> None:
    content = {"origin": "here", "forward": FORWARD, "inverse": INVERSE, "pairs": [["a", "b"]]}
    forward, inverse = read_relation(json.dumps(content), "r.json")
    assert (forward.inverse, inverse.inverse) == ("b_a", "a_b")
    assert (inverse.match, inverse.pairs) == ("prefix", (Pair("b", ("a",)),))


def test_words_describe_each_direction_and_may_be_left_out(tmp_path: Path) -> None:
    content = {"origin": "here", "forward": {**FORWARD, "words": ["next", "Étage"]}}
    content |= {"inverse": INVERSE, "pairs": [["a", "b"]]}
    forward, inverse = read_relation(json.dumps(content), "r.json")
    assert (forward.words, inverse.words) == (("next", "Étage"), ())
    path = tmp_path / "own.json"
    path.write_text('{"name": "own", "words": ["next"], "pairs": [["a", "b"]]}')
    assert read_task_file(str(path)).words == ("next",)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("next", """words: a list such as ["capital"], at most 5, was expected, found 'next'"""),
        (["a", "b", "c", "d", "e", "f"], "at most 5, was expected"),
        (["next", 7], "words: 7: text without white space around it was expected"),
        (["a\nb"], r"words: 'a\nb': text without a control character"),
        (["a" * 201], "at most 200 characters were expected, found 201"),
        (["next", "next"], "words: different words were expected"),
    ],
)
def test_wrong_words_are_refused(tmp_path: Path, words: Any, part: str) -> None:
    content = {"name": "own", "pairs": [["a", "b"]], "words": words}
    message = refusal(tmp_path / "own.json", json.dumps(content))
    assert message.startswith(str(tmp_path / "own.json: words"))
    assert part in message


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"origin": None}, "r.json: origin: a short text was expected, found None"),
        ({"forward": None}, "r.json: forward: an object with name, category, description"),
        ({"forward": {**FORWARD, "title": ""}}, "r.json: forward: title: a short text"),
        ({"forwards": FORWARD}, "r.json: unknown key 'forwards'. Did you mean 'forward'?"),
        ({"forward": {**FORWARD, "Match": "exact"}}, "r.json: forward: unknown key 'Match'."),
        ({"inverse": ["b_a"]}, "r.json: inverse: an object with name, category"),
        ({"inverse": {**INVERSE, "name": ""}}, "r.json: inverse: name: a short text"),
        ({"pairs": [["a", "b"], ["c"]]}, "r.json, pair 2: an input and an answer"),
    ],
)
def test_a_broken_relation_is_refused(change: dict[str, Any], part: str) -> None:
    content = {"origin": "here", "forward": FORWARD, "pairs": [["a", "b"]], **change}
    with pytest.raises(UsageError, match=re.escape(part)):
        read_relation(json.dumps(content), "r.json")


@given(PAIRS)
def test_inverting_asks_about_each_usual_answer_once(pairs: dict[str, list[str]]) -> None:
    forward, inverse = made(pairs), invert(made(pairs))
    usual = [pair.answer for pair in forward]
    assert [pair.input for pair in inverse] == list(dict.fromkeys(usual))
    for pair in inverse:
        first = [other.input for other in forward if other.answer == pair.input]
        then = [other.input for other in forward if pair.input in other.answers[1:]]
        assert pair.answers == (*first, *then)


def test_inverting_prefers_the_input_that_an_answer_is_the_usual_one_of() -> None:
    pairs = (Pair("a", ("x", "y", "z")), Pair("b", ("y", "x")), Pair("c", ("x",)))
    assert invert(pairs) == (Pair("x", ("a", "c", "b")), Pair("y", ("b", "a")))
