"""The imports of a source file, read without running it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.helpers.commands import ROOT

PACKAGES = ("tvsight", "analyses")


class Import(NamedTuple):
    """One name that a module imports."""

    target: str
    """The module, or the name of an object in it after the module and a dot."""
    line: int
    at_once: bool
    """Whether it is imported when the module is, rather than inside a function."""
    for_types: bool
    """Whether it stands under `if TYPE_CHECKING:`, so that it never runs."""


@cache
def modules() -> dict[str, Path]:
    """Every module of the packages, and its file."""
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    return {_module(file.relative_to(ROOT)): file for file in files}


def _module(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(file: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


@cache
def imports(file: Path) -> tuple[Import, ...]:
    """All imports of a file, those inside functions and under TYPE_CHECKING included."""
    return tuple(_imports(tree(file), at_once=True, for_types=False))


def _imports(node: ast.AST, at_once: bool, for_types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for name in child.names:
                yield Import(name.name, child.lineno, at_once, for_types)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"line {child.lineno}: a relative import"
            for name in child.names:
                yield Import(f"{child.module}.{name.name}", child.lineno, at_once, for_types)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for statement in child.body:
                yield from _imports(ast.Module([statement], []), at_once, for_types=True)
            for statement in child.orelse:
                yield from _imports(ast.Module([statement], []), at_once, for_types)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(child, at_once and not inside, for_types)


def module_of(target: str) -> str | None:
    """The module of the packages that a target is, or is an object of; None for other packages."""
    known = modules()
    if target in known:
        return target
    parent = target.rpartition(".")[0]
    return parent if parent in known else None


def uses(module: str, at_once: bool = False) -> dict[str, int]:
    """The modules of the packages that a module imports when it runs, and the first line of each.

    Args:
        at_once: leave out what is imported inside functions.
    """
    found: dict[str, int] = {}
    for one in imports(modules()[module]):
        target = module_of(one.target)
        if target and target != module and not one.for_types and (one.at_once or not at_once):
            found.setdefault(target, one.line)
    return found


@cache
def loaded_with(module: str) -> dict[str, str]:
    """Everything that importing a module imports at once: modules of the packages, their parents,
    and the names of other packages as they are written.

    Returns:
        For each, the chain of imports that leads there.
    """
    found: dict[str, str] = {}
    waiting = [(module, module)]
    while waiting:
        name, chain = waiting.pop(0)
        if name in found:
            continue
        found[name] = chain
        if name not in modules():
            continue
        parent = name.rpartition(".")[0]
        at_once = [
            one.target for one in imports(modules()[name]) if one.at_once and not one.for_types
        ]
        targets = [*([parent] if parent else []), *(module_of(t) or t for t in at_once)]
        waiting += [(target, f"{chain} → {target}") for target in targets]
    return found
