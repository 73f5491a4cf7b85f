"""The algorithmic tasks, whose pairs are computed from a rule."""

import random
import string
from collections.abc import Callable, Iterable, Sequence

from tvsight.tasks.task import Pair, Task

LOWER = string.ascii_lowercase
UPPER = string.ascii_uppercase
ORIGIN = "computed from the rule"
LISTS = 600
"""Lists in each list task: far more than a run draws, few enough to read."""
LIST_LENGTHS = (2, 3, 4)


RULES = (
    ("next_letter", "next letter", "a letter and the next one", "prev_letter", "next letter"),
    (
        "prev_letter",
        "previous letter",
        "a letter and the one before",
        "next_letter",
        "previous letter",
    ),
    ("list_first", "first of list", "a list and its first item", None, "first"),
    ("list_last", "last of list", "a list and its last item", None, "last"),
    ("to_upper", "to upper case", "a letter and its capital", "to_lower", "upper capital"),
    ("to_lower", "to lower case", "a capital and its small letter", "to_upper", "lower small"),
    ("list_min", "smallest of list", "a list of digits and its smallest", None, "smallest minimum"),
    ("list_max", "largest of list", "a list of digits and its largest", None, "largest maximum"),
)
"""Of each task the name, the title, the description, the inverse, and words that describe it."""


def generated_tasks() -> list[Task]:
    """The algorithmic tasks of the paper, then the others."""
    letters, digits = _lists(LOWER), _lists(string.digits)
    following = LOWER[1:] + LOWER[0]
    pairs: dict[str, Iterable[tuple[str, str]]] = {
        "next_letter": zip(LOWER, following, strict=True),
        "prev_letter": zip(following, LOWER, strict=True),
        "list_first": _applied(letters, lambda items: items[0]),
        "list_last": _applied(letters, lambda items: items[-1]),
        "to_upper": zip(LOWER, UPPER, strict=True),
        "to_lower": zip(UPPER, LOWER, strict=True),
        "list_min": _applied(digits, min),
        "list_max": _applied(digits, max),
    }
    return [
        _task(name, title, description, pairs[name], inverse, tuple(words.split()))
        for name, title, description, inverse, words in RULES
    ]


def first_letters(words: Iterable[str]) -> Task:
    """The task `capitalize_first_letter` on some words."""
    pairs = ((word, word[0].upper()) for word in words)
    description = "a word and its first letter as a capital"
    name, title = "capitalize_first_letter", "word → initial"
    return _task(name, title, description, pairs, words=("capital", "first"))


def capitalised(words: Iterable[str]) -> Task:
    """The task `capitalize` on some words."""
    pairs = ((word, word[0].upper() + word[1:]) for word in words)
    description = "a word and the same word with a capital"
    return _task("capitalize", "word → Word", description, pairs, words=("capital", "upper"))


def _task(
    name: str,
    title: str,
    description: str,
    pairs: Iterable[tuple[str, str]],
    inverse: str | None = None,
    words: tuple[str, ...] = (),
) -> Task:
    made = tuple(Pair(given, (answer,)) for given, answer in pairs)
    return Task(name, "algorithmic", description, "exact", made, ORIGIN, inverse, words, title)


def _lists(items: str) -> list[list[str]]:
    """Different lists of items, each of a length drawn at random."""
    rng = random.Random("tvsight lists")
    lists: dict[tuple[str, ...], None] = {}
    while len(lists) < LISTS:
        length = rng.choice(LIST_LENGTHS)
        lists[tuple(rng.choice(items) for _ in range(length))] = None
    return [list(chosen) for chosen in lists]


def _applied(
    lists: list[list[str]], rule: Callable[[Sequence[str]], str]
) -> Iterable[tuple[str, str]]:
    return ((",".join(items), rule(items)) for items in lists)
