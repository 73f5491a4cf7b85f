"""Read files of prompts that other code measured; docs/function_vectors.md describes them."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tvsight.errors import UsageError, integer, unexpected
from tvsight.foreign import read_json

MAX_FILE_BYTES = 500_000_000


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
ANYTHING = Kind("anything", lambda value: True)
Form = Kind | list[Any] | dict[str, Any]
"""A kind, the form of each entry of a list, or that of each field of an object."""
PROMPT = {"prompt": TEXT, "answer": TEXT, "answer_token": WHOLE}
FILE: dict[str, Form] = {
    "mean_prompts": [TEXT],
    "aie_prompts": [PROMPT],
    "aie_by_prompt": ANYTHING,
    "top_heads": [HEAD],
    "vector": ANYTHING,
    "zero_shot": [{**PROMPT, "clean": {"token": WHOLE}, "fv": OBJECT}],
    "blocks": [WHOLE],
}
"""The shapes of `aie_by_prompt` and `vector` depend on a model, and are not checked here."""
WITH_VECTOR = {"token": WHOLE, "changed": NUMBER}
"""An answer with the vector added after a block, in `fv`."""


def read_prompts(path: Path) -> dict[str, Any]:
    """A file of prompts.

    Raises:
        UsageError: when it cannot be read, lacks a field, or one holds something else.
    """
    try:
        content = read_json(path, MAX_FILE_BYTES)
        _check("", content, FILE)
        by_block = {str(block): WITH_VECTOR for block in content["blocks"]}
        for number, prompt in enumerate(content["zero_shot"]):
            _check(f"zero_shot[{number}].fv", prompt["fv"], by_block)
    except (UsageError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from error
    return dict(content)


def _check(where: str, value: Any, form: Form) -> None:
    """Check that a value has a form, and all that is in it."""
    if isinstance(form, list):
        _check(where, value, LIST)
        for number, entry in enumerate(value):
            _check(f"{where}[{number}]", entry, form[0])
    elif isinstance(form, dict):
        _check(where, value, OBJECT)
        for name, inside in form.items():
            if name not in value:
                raise UsageError(
                    f"{where or 'the file'} has no field {name!r}. The fields are "
                    f"{', '.join(form)}; see docs/function_vectors.md."
                )
            _check(f"{where}.{name}".lstrip("."), value[name], inside)
    elif not form.holds(value):
        raise unexpected(where or "the file", form.expected, value)
