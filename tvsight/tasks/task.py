"""A task: a category, a matching rule, and pairs of an input and its accepted answers."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from tvsight.errors import UsageError
from tvsight.tasks.pairs import USERS, Pair, numbered, read_pairs, rows_of
from tvsight.tasks.words import check_name, check_text, shown

Category = Literal["algorithmic", "translation", "linguistic", "knowledge", "custom"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
ARROW = "→"
"""Stands between the two tasks in the name of a pair. No task's own name has it."""
MatchRule = Literal["exact", "prefix"]
MATCH_RULES: tuple[MatchRule, ...] = get_args(MatchRule)


@dataclass(frozen=True)
class Task:
    """A mapping from inputs to answers that demonstrations can show (Table 1 of the paper)."""

    name: str
    category: Category
    description: str
    match: MatchRule
    """The rule that compares a predicted token with an answer; see `tasks.matching`."""
    pairs: tuple[Pair, ...]
    origin: str
    """The source of the pairs."""
    inverse: str | None = None
    """Name of the task that maps this one's answers back to its inputs (a bijection)."""
    words: tuple[str, ...] = ()
    """Words that describe the task, such as `capital`. They are looked for among the top tokens of
    its vector."""
    title: str = ""
    """Its name in figures and tables, such as `country → capital`; of packaged tasks only."""

    @classmethod
    def of(cls, name: str, pairs: Any, match: MatchRule = "exact", description: str = "") -> "Task":
        """A task of your own pairs.

        Args:
            pairs: pairs of an input and its answer, or of an input and a list of accepted answers;
                a dictionary; or a data frame or Dataset with two columns.

        Raises:
            UsageError: for a name or pairs that a task file could not have either.
        """
        where = f"task {shown(name)}"
        if match not in MATCH_RULES:
            raise UsageError(f"{where}: match {shown(match)}: one of {', '.join(MATCH_RULES)}.")
        read = read_pairs(numbered(rows_of(pairs, where), where), where)
        said = description or "a task from Python"
        check_text(said, where)
        return cls(check_name(name, where), "custom", said, match, read, USERS)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the pairs and the matching rule: all of the task that a number depends on."""
        content = [self.match, [[pair.input, list(pair.answers)] for pair in self.pairs]]
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
