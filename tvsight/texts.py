"""Make text from files, folders and servers safe to show to people.

Such text may hold an escape sequence that recolours or rewrites a terminal, or a character that
reverses the direction of a whole line. Both are written out as escapes. Letters of any script,
emoji and the joiners inside them stay as they are.
"""

import re
import unicodedata

KEPT = "\n\t\u200c\u200d"
"""Line breaks, tabs, and the joiners that Persian, Hindi and emoji need."""
UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Controls, format characters (directional ones among them), surrogates, separators."""
MARKDOWN = str.maketrans(
    {"&": "&amp;", "<": "&lt;", "|": r"\|"} | {mark: "\\" + mark for mark in "\\`*~[]!$"}
)
OPENING = re.compile(r"(?<![A-Za-z0-9])_")
"""An underscore that could begin emphasis, which one inside a word cannot."""


def printable(text: str) -> str:
    r"""A text with its unsafe characters written out, such as `\x1b`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_printable, text))


def one_line(text: str) -> str:
    """A printable text on one line: every run of white space becomes one space."""
    return printable(" ".join(text.split()))


def markdown(text: str) -> str:
    """A text on one line, escaped so that Markdown shows it literally."""
    return OPENING.sub(r"\_", one_line(text).translate(MARKDOWN))


def _printable(character: str) -> str:
    if character in KEPT or unicodedata.category(character) not in UNSAFE:
        return character
    return character.encode("unicode_escape").decode()
