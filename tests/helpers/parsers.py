"""The options and rules of each command, as its module hands them to the parser."""

import runpy
from functools import cache, partial
from typing import Any, get_args, get_type_hints

import pytest

import analyses.command
from analyses.__main__ import COMMANDS
from tvsight.config import RULES, Rules

Parser = tuple[type[Any], Rules]


@cache
def parsers() -> dict[str, Parser]:
    """By the command. `results` has one for each of its actions."""
    found: dict[str, Parser] = {}
    for name in COMMANDS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(analyses.command, "command", partial(_note, found, name))
            runpy.run_module(f"analyses.{name}", run_name="__main__")
    options, rules = found.pop("results")
    for action in get_args(get_type_hints(options)["action"]):
        found[f"results {action.__name__.lower()}"] = action, rules
    return found


def _note(
    found: dict[str, Parser],
    name: str,
    options: type[Any],
    main: object,
    description: str,
    rules: Rules = RULES,
) -> None:
    found[name] = options, rules
