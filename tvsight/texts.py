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
MAX_TOLD = 1500
"""Most characters of a message that are shown."""
MARKDOWN = str.maketrans(
    {"&": "&amp;", "<": "&lt;", "|": r"\|"} | {mark: "\\" + mark for mark in "\\`*~[]!$"}
)
LATEX = {
    **{mark: "\\" + mark for mark in "&%$#_{}"},
    **{mark: f"${mark}$" for mark in "<>|"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{'"': "''", "–": "--", "—": "---", "…": r"\dots{}", "␣": r"\textvisiblespace{}"},
    **{"“": "``", "”": "''", "‘": "`", "’": "'", "\u00a0": "~"},
    **{"→": r"$\to$", "×": r"$\times$", "±": r"$\pm$", "−": "$-$"},
    **{"α": r"$\alpha$", "θ": r"$\theta$"},
}
"""Characters that LaTeX reads otherwise, or that pdflatex has no letter for by default."""
NOT_IN_LATEX = re.compile(r"[^\x00-\x7f\xa0À-ÏÑ-ÖØ-Ýß-ïñ-öø-ýÿ–—…␣“”‘’→×±−αθ]+")
"""Letters beyond those above, and those that every installation of pdflatex has."""
LETTERS = r"""\ifdefined\tvsightletters\else
\protected\def\tvsightletters#1#2#3{\ifdefined\directlua\iffontchar\font"#1 #2\else
  \texttt{#3}\fi\else\texttt{#3}\fi}\fi"""
"""The command of `latex`, for the head of a file."""
OPENING = re.compile(r"(?<![A-Za-z0-9])_")
"""An underscore that could begin emphasis, which one inside a word cannot."""


def printable(text: str) -> str:
    r"""A text with its unsafe characters written out, such as `\x1b`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_printable, text))


def told(message: str) -> str:
    """A printable message on one line, of which the middle is left out where it fills a screen."""
    return _cut(printable(_cut(message)).replace("\n", r"\n"))


def _cut(text: str) -> str:
    third = MAX_TOLD // 3
    return text if len(text) <= MAX_TOLD else f"{text[: 2 * third]} … {text[-third:]}"


def visible(token: str, token_id: object = "empty") -> str:
    r"""A token without invisible characters: a space is `␣`, a line break `\n`.

    A token without a text is shown as its number, where that is given.
    """
    spaced = "".join(_written(character) for character in token)
    return printable(spaced) if token else f"<{token_id}>"


def one_line(text: str) -> str:
    """A printable text on one line: every run of white space becomes one space."""
    return printable(" ".join(text.split()))


def markdown(text: str) -> str:
    """A text on one line, escaped so that Markdown shows it literally."""
    return OPENING.sub(r"\_", one_line(text).translate(MARKDOWN))


def latex(text: str) -> str:
    r"""A text on one line, escaped so that pdflatex shows it literally, without any package.

    Letters that it cannot set, such as Han or Cyrillic, become `\tvsightletters{8A9E}{語}{U+8A9E}`:
    themselves in lualatex, if the font has the first of them, and code points elsewhere.
    """
    marked = "".join(LATEX.get(character, character) for character in one_line(text))
    return NOT_IN_LATEX.sub(lambda found: _code_points(found[0]), marked)


def _code_points(text: str) -> str:
    codes = [f"{ord(character):04X}" for character in text]
    return rf"\tvsightletters{{{codes[0]}}}{{{text}}}{{{' '.join(f'U+{code}' for code in codes)}}}"


def _printable(character: str) -> str:
    if character in KEPT or unicodedata.category(character) not in UNSAFE:
        return character
    return character.encode("unicode_escape").decode()


def _written(character: str) -> str:
    if character == " ":
        return "␣"
    return character.encode("unicode_escape").decode() if character.isspace() else character
