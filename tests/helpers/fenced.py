"""The code blocks and commands of the README and of docs/."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.helpers.commands import ROOT

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
RUNS = ("python", "bash")
"""The languages of blocks that are code."""
SHOWN = ("", "bibtex")
"""Those of blocks that are output or data."""
FENCED = re.compile(
    r"(?:^ *<!-- not run: (?P<reason>[^\n]+) -->\n\n?)?"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)
INLINE = re.compile(r"`(?:(python -m analyses\.[a-z_]+|tvsight [a-z]+-[a-z-]+)(\s[^`]*)?)`")


class Block(NamedTuple):
    """One fenced block."""

    page: str
    """Its path from the root of the repository."""
    line: int
    language: str
    code: str
    reason: str | None
    """Why no test runs it, where a comment above it says so."""


def blocks() -> Iterator[Block]:
    """Every fenced block, in the order of the pages."""
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for found in FENCED.finditer(text):
            line = text.count("\n", 0, found.start("language")) + 1
            page = path.relative_to(ROOT).as_posix()
            yield Block(page, line, found["language"], found["code"], found["reason"])


def python_of(page: Path) -> str:
    """The Python blocks of a page that are run, one after the other."""
    name = page.relative_to(ROOT).as_posix()
    own = [block for block in blocks() if block.page == name and block.language == "python"]
    return "\n".join(block.code for block in own if block.reason is None)


def commands() -> Iterator[tuple[str, str]]:
    """Every command of a block of bash or of a line of text, and where it stands."""
    for block in blocks():
        if block.language == "bash":
            for line in re.split(r"\n|&&", block.code):
                if line.strip():
                    yield line.strip(), f"{block.page}:{block.line}"
    for path in PAGES:
        for name, arguments in INLINE.findall(FENCED.sub("", path.read_text(encoding="utf-8"))):
            yield " ".join(f"{name}{arguments}".split()), path.relative_to(ROOT).as_posix()
