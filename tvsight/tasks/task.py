"""What a task is: a category, a matching rule, and pairs of an input and its accepted answers."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Category = Literal["algorithmic", "translation", "linguistic", "knowledge", "custom"]
CATEGORIES: tuple[Category, ...] = (
    "algorithmic",
    "translation",
    "linguistic",
    "knowledge",
    "custom",
)
MatchRule = Literal["exact", "prefix"]
MATCH_RULES: tuple[MatchRule, ...] = ("exact", "prefix")


@dataclass(frozen=True)
class Pair:
    """An input and the answers accepted for it, the most usual first."""

    input: str
    answers: tuple[str, ...]

    @property
    def answer(self) -> str:
        """The answer that demonstrations show."""
        return self.answers[0]


@dataclass(frozen=True)
class Task:
    """A mapping from inputs to answers that demonstrations can show (Table 1 of the paper)."""

    name: str
    category: Category
    description: str
    match: MatchRule
    """How a predicted token is compared with an answer; see `tvsight.scoring`."""
    pairs: tuple[Pair, ...]
    origin: str
    """Where the pairs come from."""
    inverse: str | None = None
    """Name of the task that maps this one's answers back to its inputs (a bijection)."""
    words: tuple[str, ...] = ()
    """Words that describe the task, such as `capital`: looked for in what its vector says."""

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of what the task measures: its pairs and its matching rule."""
        content = [self.match, [[pair.input, list(pair.answers)] for pair in self.pairs]]
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
