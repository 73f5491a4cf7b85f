"""Read files of prompts that other code measured; docs/function_vectors.md describes them."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tvsight.errors import UsageError, integer, unexpected
from tvsight.foreign import read_json

MAX_FILE_BYTES = 500_000_000
KEYS = (
    "mean_prompts",
    "aie_prompts",
    "aie_by_prompt",
    "top_heads",
    "vector",
    "zero_shot",
    "blocks",
)


class Kind(NamedTuple):
    """Values that a field may have."""

    expected: str
    """As errors name them."""
    holds: Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    number = integer(value)
    return number is not None and number >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_head(value: Any) -> bool:
    whole = isinstance(value, list) and len(value) == 3 and all(map(_is_whole, value[:2]))
    return whole and _is_number(value[2])


TEXT = Kind("a text", lambda value: isinstance(value, str) and bool(value))
WHOLE = Kind("a whole number from 0", _is_whole)
NUMBER = Kind("a finite number", _is_number)
HEAD = Kind("[block, head, mean effect]", _is_head)
LIST = Kind("a list that is not empty", lambda value: isinstance(value, list) and bool(value))
OBJECT = Kind("an object", lambda value: isinstance(value, dict))
PROMPT = {"prompt": TEXT, "answer": TEXT, "answer_token": WHOLE}


def read_prompts(path: Path) -> dict[str, Any]:
    """A file of prompts. The shapes of `aie_by_prompt` and `vector` depend on a model, and are not
    checked here.

    Raises:
        UsageError: when it cannot be read, lacks a field, or one holds something else.
    """
    try:
        content = read_json(path, MAX_FILE_BYTES)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error
    _check_fields(path, "the file", content, KEYS)
    for name, kind in {
        "mean_prompts": TEXT,
        "aie_prompts": OBJECT,
        "top_heads": HEAD,
        "blocks": WHOLE,
        "zero_shot": OBJECT,
    }.items():
        _check(path, name, content[name], LIST)
        for number, value in enumerate(content[name]):
            _check(path, f"{name}[{number}]", value, kind)
    for name in ("aie_prompts", "zero_shot"):
        for number, one in enumerate(content[name]):
            _check_each(path, f"{name}[{number}]", one, PROMPT)
    for number, one in enumerate(content["zero_shot"]):
        where = f"zero_shot[{number}]"
        _check_each(path, where, one, {"clean": OBJECT, "fv": OBJECT})
        _check_each(path, f"{where}.clean", one["clean"], {"token": WHOLE})
        blocks = [str(block) for block in content["blocks"]]
        _check_each(path, f"{where}.fv", one["fv"], dict.fromkeys(blocks, OBJECT))
        for block in blocks:
            answer = {"token": WHOLE, "changed": NUMBER}
            _check_each(path, f"{where}.fv[{block}]", one["fv"][block], answer)
    return dict(content)


def _check_each(path: Path, where: str, entry: dict[str, Any], kinds: dict[str, Kind]) -> None:
    """Check that an object has some fields, each of its kind."""
    _check_fields(path, where, entry, list(kinds))
    for name, kind in kinds.items():
        _check(path, f"{where}.{name}", entry[name], kind)


def _check_fields(path: Path, where: str, entry: object, fields: Sequence[str]) -> None:
    missing = [name for name in fields if not isinstance(entry, dict) or name not in entry]
    if missing:
        raise UsageError(
            f"{path}: {where} has no field {missing[0]!r}. The fields are "
            f"{', '.join(fields)}; see docs/function_vectors.md."
        )


def _check(path: Path, where: str, value: object, kind: Kind) -> None:
    if not kind.holds(value):
        raise unexpected(f"{path}: {where}", kind.expected, value)
