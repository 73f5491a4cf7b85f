"""The options and rules of each command, as its module hands them to the parser."""

import runpy
from functools import cache, partial
from typing import Any, get_args, get_type_hints

import pytest

import tvsight.cli.analysis
import tvsight.cli.command
from tvsight.cli.program import COMMANDS
from tvsight.config import Rules

Parser = tuple[type[Any], Rules]


@cache
def parsers() -> dict[str, Parser]:
    """By the command. `results` has one for each of its actions."""
    found: dict[str, Parser] = {}
    for name in COMMANDS:
        with pytest.MonkeyPatch.context() as patch:
            for module in (tvsight.cli.command, tvsight.cli.analysis):
                patch.setattr(module, "command", partial(_note, found, name))
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
    rules: Rules | None = None,
) -> None:
    found[name] = options, rules or getattr(options, "rules", Rules())
