"""Texts of task files: which are allowed, and how messages show them."""

import re
from typing import Any

import pytest

from tvsight.errors import UsageError
from tvsight.tasks.words import MAX_TEXT, check_text, is_encodable, shown


@pytest.mark.parametrize("text", ["a", "two words", "é", "日本", "👩\u200d🔬", "x" * MAX_TEXT])
def test_a_plain_text_is_allowed(text: str) -> None:
    check_text(text, "own.json")
    assert is_encodable(text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (3, "3: text without white space around it was expected"),
        ("", "'': text without white space around it was expected"),
        ("a ", "'a ': text without white space around it was expected"),
        ("x" * 201, "at most 200 characters were expected, found 201"),
        ("a\nb", r"'a\nb': text without a control character, or half of a character, was"),
        ("\ufeffa", r"'\ufeffa': text without a control character"),
        ("\ud800", r"'\ud800': text without a control character, or half of a character, was"),
    ],
)
def test_another_text_is_refused_with_its_place(text: Any, part: str) -> None:
    with pytest.raises(UsageError, match=r"^own\.json: " + f".*{re.escape(part)}"):
        check_text(text, "own.json")


@pytest.mark.parametrize("value", ["x" * 10_000, ["x" * 50] * 100, {"x" * 5000: 1}, 10**50])
def test_messages_show_a_part_of_a_long_value(value: object) -> None:
    assert 50 < len(shown(value)) <= 60
