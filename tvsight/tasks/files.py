"""Read tasks from files: the packaged relations, and the tasks of users.

A relation file holds one list of pairs and up to two tasks on it, `forward` and `inverse`. A
user's file holds one task.
"""

import csv
import io
import json
import re
import warnings
from pathlib import Path
from typing import Any, cast

from tvsight.errors import Remark, UsageError, nearest
from tvsight.tasks.task import CATEGORIES, MATCH_RULES, Category, MatchRule, Pair, Task

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ufeff]")
"""Control characters, and the byte order mark, which is invisible within a word."""
HEADER_KEYS = ("name", "category", "description", "match", "words")
TASK_KEYS = (*HEADER_KEYS, "pairs")
DIRECTION_KEYS = (*HEADER_KEYS, "title")
RELATION_KEYS = ("origin", "forward", "inverse", "pairs")
LANGUAGES = "english french spanish german en fr es de"
INPUT_HEADINGS = (
    "input inputs x word words source src question questions query prompt term text key original "
    f"example name singular present base country {LANGUAGES}"
)
ANSWER_HEADINGS = (
    "output outputs y answer answers target tgt translation translations label labels response "
    "completion value result expected definition meaning antonym antonyms synonym synonyms "
    f"opposite plural past gerund capital language continent currency {LANGUAGES}"
)
"""Usual names of the columns of a CSV file. `from` and `to` are left out: they may be a pair."""
MAX_TEXT = 200
"""Most characters of an input or an answer: task vectors are read from short prompts."""
MAX_PAIRS = 100_000
MAX_WORDS = 5
MAX_FILE_BYTES = 50_000_000


def read_relation(text: str, where: str) -> list[Task]:
    """The tasks of a relation file: the forward one, and the inverse one if the file has it.

    Raises:
        UsageError: for a broken file. The message has the file, the key and what was expected.
    """
    content = _parsed(text, where)
    _check_keys(content, RELATION_KEYS, where)
    pairs = _pairs(_numbered(content.get("pairs"), where), where)
    origin = _text(content, "origin", where)
    forward = _direction(content.get("forward"), f"{where}: forward")
    if "inverse" not in content:
        return [Task(**forward, pairs=pairs, origin=origin)]
    inverse = _direction(content["inverse"], f"{where}: inverse")
    return [
        Task(**forward, pairs=pairs, origin=origin, inverse=inverse["name"]),
        Task(**inverse, pairs=invert(pairs), origin=origin, inverse=forward["name"]),
    ]


def read_task_file(path: str) -> Task:
    """A user's own task, from a JSON object with `name` and `pairs` or a CSV file of two columns.

    The JSON object may also have a `description`, `words` that describe the task, and `match`
    (`exact` by default). A CSV task is named after its file. A first line with usual names of
    columns is read as a heading.

    Raises:
        UsageError: for a broken file. The message has the file, the line or key, and what was
            expected.

    Warns:
        Remark: when the first line is read as a heading.
    """
    text = _file_text(Path(path))
    if path.lower().endswith(".csv"):
        name = re.sub(r"[^a-z0-9]+", "_", Path(path).stem.lower()).strip("_")
        header: dict[str, Any] = {"name": name}
        pairs = _pairs(_without_headings(_csv_rows(text, path), path), path)
    else:
        header = _parsed(text, path)
        _check_keys(header, TASK_KEYS, path)
        pairs = _pairs(_numbered(header.get("pairs"), path), path)
    defaults = {"category": "custom", "description": "a task from a file", "match": "exact"}
    return Task(**_header({**defaults, **header}, path), pairs=pairs, origin="a file of the user")


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


def _file_text(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise UsageError(f"{file}: larger than {MAX_FILE_BYTES // 1_000_000} MB.")
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{file}: not UTF-8 text (byte {error.start}). Save it in the encoding UTF-8."
        ) from error
    except ValueError as error:
        raise UsageError(f"{str(file)!r}: not the name of a file.") from error


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        content = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{where}, line {error.lineno}: not JSON ({error.msg}). A task file is an object such "
            'as {"name": "my_task", "pairs": [["input", "answer"], ...]}, or two columns in a file '
            "whose name ends in .csv."
        ) from error
    except _RepeatedKey as repeated:
        raise UsageError(f"{where}: the key {shown(repeated.key)} is there twice.") from repeated
    except (RecursionError, ValueError) as error:
        raise UsageError(f"{where}: too deep or too long a value for a task file.") from error
    if not isinstance(content, dict):
        raise UsageError(f"{where}: a JSON object was expected, found {type(content).__name__}.")
    return content


class _RepeatedKey(Exception):
    """A JSON object has a key twice; `json` alone would drop the first."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _object(entries: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in entries:
        if key in content:
            raise _RepeatedKey(key)
        content[key] = value
    return content


def _check_keys(content: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in content:
        if key not in known:
            raise UsageError(
                f"{where}: unknown key {shown(key)}.{nearest(key, known)} Known are "
                f"{', '.join(known)}."
            )


def _without_headings(rows: list[tuple[str, Any]], where: str) -> list[tuple[str, Any]]:
    if not rows or len(rows[0][1]) != 2:
        return rows
    given, answer = (cell.strip().lower() for cell in rows[0][1])
    if given not in INPUT_HEADINGS.split() or answer not in ANSWER_HEADINGS.split():
        return rows
    line, headings = rows[0]
    warnings.warn(
        f"{where}, {line}: {shown(','.join(headings))} is read as the names of the columns. If it "
        "is a pair, put it on another line.",
        Remark,
        stacklevel=3,
    )
    return rows[1:]


def _csv_rows(text: str, where: str) -> list[tuple[str, Any]]:
    """Rows of a CSV file, each with the number of its last line."""
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        return [(f"line {reader.line_num}", row) for row in reader if row]
    except csv.Error as error:
        raise UsageError(f"{where}, line {reader.line_num}: not CSV ({error}).") from error


def _numbered(rows: Any, where: str) -> list[tuple[str, Any]]:
    """Pairs of a JSON file, each with its number."""
    if not isinstance(rows, list):
        raise UsageError(f'{where}: pairs: a list such as [["input", "answer"], ...] was expected.')
    return [(f"pair {number}", row) for number, row in enumerate(rows, start=1)]


def _direction(content: Any, where: str) -> dict[str, Any]:
    header = _header(content, where)
    _check_keys(content, DIRECTION_KEYS, where)
    return {**header, "title": _text(content, "title", where)}


def _header(content: Any, where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise UsageError(f"{where}: an object with name, category, description and match.")
    name = _text(content, "name", where)
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{where}: name {shown(name)}: lower-case letters, digits and _ were expected, "
            "at most 64, the first a letter."
        )
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
        _check_text(word, f"{where}: words")
    if len(set(content)) != len(content):
        raise UsageError(f"{where}: words: different words were expected.")
    return tuple(content)


def _pairs(rows: list[tuple[str, Any]], where: str) -> tuple[Pair, ...]:
    if not rows:
        raise UsageError(f"{where}: pairs: at least one was expected.")
    if len(rows) > MAX_PAIRS:
        raise UsageError(f"{where}: {len(rows)} pairs; at most {MAX_PAIRS} are read.")
    pairs: dict[str, Pair] = {}
    for number, row in rows:
        place = f"{where}, {number}"
        pair = _pair(row, place)
        if pair.input in pairs:
            raise UsageError(
                f"{place}: the input {shown(pair.input)} is there twice. Give it once (in JSON "
                "with a list of its accepted answers)."
            )
        pairs[pair.input] = pair
    return tuple(pairs.values())


def _pair(row: Any, place: str) -> Pair:
    if not isinstance(row, list) or len(row) != 2:
        raise UsageError(
            f"{place}: an input and an answer were expected, found {shown(row)}.{_separator(row)}"
        )
    given = row[0]
    answers = row[1] if isinstance(row[1], list) else [row[1]]
    if not answers:
        raise UsageError(f"{place}: one or more different answers were expected.")
    for text in (given, *answers):
        _check_text(text, place)
    if len(set(answers)) != len(answers):
        raise UsageError(f"{place}: one or more different answers were expected.")
    return Pair(given, tuple(answers))


def _separator(row: Any) -> str:
    """A hint for a line of CSV whose columns are not separated by commas."""
    cell = row[0] if isinstance(row, list) and len(row) == 1 else None
    alone = isinstance(cell, str) and any(mark in cell for mark in ";\t|")
    return " Columns are separated by a comma." if alone else ""


def _check_text(text: Any, place: str) -> None:
    if not isinstance(text, str) or not text.strip() or text != text.strip():
        raise UsageError(
            f"{place}: {shown(text)}: text without white space around it was expected."
        )
    if len(text) > MAX_TEXT or CONTROL.search(text) or not is_encodable(text):
        raise UsageError(
            f"{place}: {shown(text)}: at most {MAX_TEXT} characters, none of them a control "
            "character or half of one, were expected."
        )


def is_encodable(text: str) -> bool:
    """Whether a text can be written as UTF-8. Half a surrogate pair (valid JSON) cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


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


def shown(value: object) -> str:
    """A value as messages show it: escaped, and cut to 60 characters."""
    try:
        text = ascii(value[:60] if isinstance(value, str | list) else value)
    except RecursionError:  # a value shallow enough for `json` may be too deep for `ascii`
        text = f"a deep {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."
