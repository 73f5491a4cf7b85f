"""The texts of task files: which are allowed, and how messages show them."""

import re
from typing import Any

from tvsight.errors import UsageError

NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ufeff]")
"""Control characters, and the byte order mark, which is invisible within a word."""
BREAKS = str.maketrans("", "", "\n\r\t")
"""Takes out line breaks and tabs, which a long input may hold."""
MAX_TEXT = 200
"""Most characters of a text about a task, such as its description."""
MAX_WORD = 4000
"""Most characters of an input or an answer: a paragraph of news, a question with its choices."""


def check_text(text: Any, place: str, most: int = MAX_TEXT, breaks: bool = False) -> None:
    """Check a text that a prompt or a table will hold.

    Args:
        place: the file and the number or key of the text, for the message.
        most: the most characters.
        breaks: allow line breaks and tabs within it.

    Raises:
        UsageError: for no text, white space at its ends, too many characters, control characters,
            and half of a surrogate pair.
    """
    if not isinstance(text, str) or not text.strip() or text != text.strip():
        expected = "text without white space around it was expected"
    elif len(text) > most:
        expected = f"at most {most:,} characters were expected, found {len(text):,}"
    elif CONTROL.search(text.translate(BREAKS) if breaks else text) or not is_encodable(text):
        expected = "text without a control character, or half of a character, was expected"
    else:
        return
    raise UsageError(f"{place}: {shown(text)}: {expected}.")


def check_name(name: Any, place: str) -> str:
    """The name of a task, checked.

    Raises:
        UsageError: for any other text.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UsageError(
            f"{place}: name {shown(name)}: lower-case letters, digits, _ and - were expected, "
            "at most 64, the first a letter."
        )
    return name


def is_encodable(text: str) -> bool:
    """Whether a text can be written as UTF-8. Half a surrogate pair (valid JSON) cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def shown(value: object) -> str:
    """A value as messages show it: escaped, and cut to 60 characters."""
    try:
        text = ascii(value[:60] if isinstance(value, str | list) else value)
    except RecursionError:  # a value shallow enough for `json` may be too deep for `ascii`
        text = f"a deep {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."
