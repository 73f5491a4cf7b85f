"""Read tasks from files: the packaged relations, and the tasks of users.

A relation file holds one list of pairs and up to two tasks on it, `forward` and `inverse`. A
user's file holds one task.
"""

import json
import re
import warnings
from collections.abc import Container
from pathlib import Path
from typing import Any, cast

from tvsight.errors import Remark, UsageError, nearest
from tvsight.foreign import Unusable, parsed, read_text
from tvsight.tasks.csv_rows import csv_rows
from tvsight.tasks.examples import FORM, read_examples
from tvsight.tasks.pairs import USERS, numbered, read_pairs, some
from tvsight.tasks.task import CATEGORIES, MATCH_RULES, Category, MatchRule, Pair, Task
from tvsight.tasks.words import CONTROL, MAX_TEXT, check_name, check_text, is_encodable, shown

OWN = "-own"
"""Ends the name of a task that is named after its file, where a packaged task has that name."""
HEADER_KEYS = ("name", "category", "description", "match", "words")
TASK_KEYS = (*HEADER_KEYS, "pairs")
DIRECTION_KEYS = (*HEADER_KEYS, "title")
RELATION_KEYS = ("origin", "forward", "inverse", "pairs")
MAX_WORDS = 5
MAX_FILE_BYTES = 50_000_000


def read_relation(text: str, where: str) -> list[Task]:
    """The tasks of a relation file: the forward one, and the inverse one if the file has it.

    Raises:
        UsageError: for a broken file. The message has the file, the key and what was expected.
    """
    content = _object_of(_parsed(text, where), where)
    _check_keys(content, RELATION_KEYS, where)
    pairs = read_pairs(numbered(content.get("pairs"), where), where)
    origin = _text(content, "origin", where)
    forward = _direction(content.get("forward"), f"{where}: forward")
    if "inverse" not in content:
        return [Task(**forward, pairs=pairs, origin=origin)]
    inverse = _direction(content["inverse"], f"{where}: inverse")
    return [
        Task(**forward, pairs=pairs, origin=origin, inverse=inverse["name"]),
        Task(**inverse, pairs=invert(pairs), origin=origin, inverse=forward["name"]),
    ]


def read_task_file(path: str, packaged: Container[str] = ()) -> Task:
    """A user's own task, from one of three forms.

    A JSON object has `name` and `pairs`, and may have a `description`, `words` that describe the
    task, and `match` (`exact` by default). A JSON list has examples with `input` and `output`, see
    `examples.read_examples`; they may also be the `pairs` of an object. A CSV file has two columns,
    and usual names of columns in its first line are a heading. Lists and CSV files are named after
    their file.

    Args:
        packaged: names that a task does not get from its file; it gets one that ends in `-own`.

    Raises:
        UsageError: for a broken file. The message has the file, the line or key, and what was
            expected.

    Warns:
        Remark: when the first line is read as a heading, a list is not read as it is written, or a
            name is taken.
    """
    try:
        text = read_text(Path(path), MAX_FILE_BYTES)
    except Unusable as error:
        raise UsageError(f"{path}: {error}.") from error
    header: dict[str, Any]
    if path.lower().endswith(".csv"):
        header = {"name": _free(re.sub(r"[^a-z0-9]+", "_", _stem(path)).strip("_"), packaged, path)}
        pairs = read_pairs(some(csv_rows(text, path), path), path, breaks=False)
    elif isinstance(content := _parsed(text, path), list):
        name = re.sub(r"[^a-z0-9_-]+", "_", _stem(path)).strip("_-")
        header = {"name": _free(name, packaged, path)}
        pairs = read_examples(numbered(content, path), path)
    else:
        header = _object_of(content, path)
        _check_keys(header, TASK_KEYS, path)
        rows = numbered(header.get("pairs"), path)
        of_examples = isinstance(rows[0][1], dict)
        pairs = read_examples(rows, path) if of_examples else read_pairs(rows, path)
    defaults = {"category": "custom", "description": "a task from a file", "match": "exact"}
    return Task(**_header({**defaults, **header}, path), pairs=pairs, origin=USERS)


def _stem(path: str) -> str:
    return Path(path).stem.lower()


def _free(name: str, packaged: Container[str], where: str) -> str:
    """A name from a file, or where it is taken another one, which is said."""
    if name not in packaged:
        return name
    warnings.warn(
        f"{where}: there is a packaged task named {name!r}, so this one is named {name + OWN!r}.",
        Remark,
        stacklevel=4,
    )
    return name + OWN


def invert(pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
    """The pairs with inputs and answers exchanged.

    Each pair's usual answer becomes an input. It accepts every input that it was an answer to;
    the inputs whose usual answer it was come first. Answers that are never the usual one become
    no input.
    """
    inverted: dict[str, list[str]] = {pair.answer: [] for pair in pairs}
    for usual in (True, False):
        for pair in pairs:
            for answer in pair.answers:
                if answer in inverted and (answer == pair.answer) == usual:
                    inverted[answer].append(pair.input)
    return tuple(Pair(answer, tuple(inputs)) for answer, inputs in inverted.items())


def _parsed(text: str, where: str) -> Any:
    try:
        return parsed(text)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{where}, line {error.lineno}: not JSON ({error.msg}). A task file is an object such "
            'as {"name": "my_task", "pairs": [["input", "answer"], ...]}, a list of examples such '
            f"as [{FORM}, ...], or two columns in a file whose name ends in .csv."
        ) from error
    except Unusable as error:
        raise UsageError(f"{where}: {error}.") from error


def _object_of(content: Any, where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise UsageError(f"{where}: a JSON object was expected, found {type(content).__name__}.")
    return content


def _check_keys(content: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in content:
        if key not in known:
            raise UsageError(
                f"{where}: unknown key {shown(key)}.{nearest(key, known)} Known are "
                f"{', '.join(known)}."
            )


def _direction(content: Any, where: str) -> dict[str, Any]:
    header = _header(content, where)
    _check_keys(content, DIRECTION_KEYS, where)
    return {**header, "title": _text(content, "title", where)}


def _header(content: Any, where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise UsageError(f"{where}: an object with name, category, description and match.")
    name = check_name(_text(content, "name", where), where)
    return {
        "name": name,
        "category": cast(Category, _choice(content, "category", CATEGORIES, where)),
        "description": _text(content, "description", where),
        "match": cast(MatchRule, _choice(content, "match", MATCH_RULES, where)),
        "words": _words(content.get("words", []), where),
    }


def _words(content: Any, where: str) -> tuple[str, ...]:
    if not isinstance(content, list) or len(content) > MAX_WORDS:
        raise UsageError(
            f'{where}: words: a list such as ["capital"], at most {MAX_WORDS}, was expected, '
            f"found {shown(content)}."
        )
    for word in content:
        check_text(word, f"{where}: words")
    if len(set(content)) != len(content):
        raise UsageError(f"{where}: words: different words were expected.")
    return tuple(content)


def _text(content: dict[str, Any], key: str, where: str) -> str:
    value = content.get(key)
    ok = isinstance(value, str) and 0 < len(value) <= MAX_TEXT and is_encodable(value)
    if not isinstance(value, str) or not ok or CONTROL.search(value):
        raise UsageError(f"{where}: {key}: a short text was expected, found {shown(value)}.")
    return value


def _choice(content: dict[str, Any], key: str, allowed: tuple[str, ...], where: str) -> str:
    value = content.get(key)
    if value not in allowed:
        raise UsageError(f"{where}: {key} {shown(value)}: one of {', '.join(allowed)}.")
    return str(value)
