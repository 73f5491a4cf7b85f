"""Words from files, folders and servers, made safe to show to people.

A word may hold an escape sequence that recolours or rewrites a terminal, or a character that turns
the direction of a whole line. Neither is ever shown as it is. Letters of any script, emoji and the
joiners inside them are.
"""

import re
import unicodedata

KEPT = "\n\t\u200c\u200d"
"""Line breaks, tabs, and the joiners that Persian, Hindi or emoji are spelt with."""
UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Controls, format characters (directional ones among them), halves of characters, separators."""
MARKDOWN = str.maketrans(
    {"&": "&amp;", "<": "&lt;", "|": r"\|"} | {mark: "\\" + mark for mark in "\\`*~[]!$"}
)
OPENING = re.compile(r"(?<![A-Za-z0-9])_")
"""An underscore that could begin emphasis; one inside a word cannot."""


def printable(text: str) -> str:
    r"""A text in which what is not to be seen is written out, such as `\x1b`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_printable, text))


def one_line(text: str) -> str:
    """The same on one line: white space, line breaks among it, becomes one space."""
    return printable(" ".join(text.split()))


def markdown(text: str) -> str:
    """A text on one line that Markdown shows as it stands."""
    return OPENING.sub(r"\_", one_line(text).translate(MARKDOWN))


def _printable(character: str) -> str:
    if character in KEPT or unicodedata.category(character) not in UNSAFE:
        return character
    return character.encode("unicode_escape").decode()
