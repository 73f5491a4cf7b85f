"""Say errors in the words of the library: `shots=3` where a command takes `--shots 3`."""

import re
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import ParamSpec, TypeVar

from tvsight.config import option
from tvsight.errors import TvsightError
from tvsight.prompts.filtering import WHOLE
from tvsight.protocol.options import AnswerOptions

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

SENTENCES = {
    WHOLE.strip(): "tvsight.measure measures longer answers as a whole: answer_tokens=8.",
    " (--shots)": "",
    "--host (or NDIF_HOST)": "NDIF_HOST",
}
"""Texts that are other than the same text with other names of options."""
NAMES = {
    "--model": "tvsight.load",
    "--host": "NDIF_HOST",
    "--remote-simulated": "remote='simulated'",
}
"""Options that are no arguments of the same name."""
SWITCHES = {
    option(f"no_{entry.name}" if entry.default else entry.name): f"{entry.name}={not entry.default}"
    for entry in fields(AnswerOptions)
    if isinstance(entry.default, bool)
}
OPTIONS = {option(entry.name): entry.name for entry in fields(AnswerOptions)} | SWITCHES | NAMES
TYPED = re.compile(r"(?<![\w-])(--[a-z]+(?:-[a-z]+)*)( \d+\b|(?<=--model) [\w./-]*\w)?")
"""An option as typed, and the number, or the name of a model, that follows it."""
CODE = re.compile(r"(`(?!--)[^`]*`)")
"""Commands that are named as they are typed, and stay so."""


def in_python(text: str) -> str:
    """A message without options of the command line: arguments have their names in Python."""
    for typed, said in SENTENCES.items():
        text = text.replace(typed, said)
    parts = CODE.split(text)
    return "".join(part if CODE.fullmatch(part) else TYPED.sub(_argument, part) for part in parts)


def worded(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Decorate a function of the library so that its errors are said `in_python`."""

    @wraps(function)
    def saying(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except TvsightError as error:
            error.args = (in_python(str(error)),)
            raise

    return saying


def _argument(typed: re.Match[str]) -> str:
    name, value = typed[1], (typed[2] or "").strip()
    if name == "--model" and value:
        return f"{OPTIONS[name]}({value!r})"
    if name not in OPTIONS:
        return typed[0]
    return f"{OPTIONS[name]}={value}" if value else OPTIONS[name]
