"""Methods by name, and methods that a user's own file or function defines."""

import hashlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from dis import get_instructions
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

from tvsight.errors import UsageError, nearest, option, unexpected
from tvsight.foreign import DOCUMENT_BYTES, Unusable, read_bytes
from tvsight.methods import METHODS, MethodEntry
from tvsight.tasks.words import check_text, shown
from tvsight.texts import one_line

if TYPE_CHECKING:
    from tvsight.methods.method import Method

KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")
MAX_TITLE = 60
"""Most characters of a title, which stands in legends and tables."""
MAX_WHY = 300
"""Most characters that are shown of an error of a user's file."""
MODULE = "tvsight_method_"
"""Prefix of the module of a user's file, so that it takes no other module's place."""


def named_methods(names: Sequence[str | MethodEntry], file: str | None = None) -> list[MethodEntry]:
    """Methods by their names, each once, in the order of the names.

    Args:
        names: names, and methods that a caller in Python brought.
        file: one that defines a further method. It is run.

    Raises:
        UsageError: for an unknown name, or a file that does not define a method.
    """
    known = dict(METHODS)
    if file is not None:
        names = [*names, read_method(Path(file))]
    for own in names:
        if isinstance(own, MethodEntry) and known.setdefault(own.key, own) != own:
            raise UsageError(f"{option('methods')}: two methods are named {own.key!r}.")
    keys = dict.fromkeys(one.key if isinstance(one, MethodEntry) else one for one in names)
    for name in keys:
        if name not in known:
            raise UsageError(
                f"{option('methods')}: unknown method {name!r}.{nearest(name, known)} The methods "
                f"are {', '.join(known)}; {option('method_file')} adds one of your own."
            )
    return [known[name] for name in keys]


def read_method(path: Path) -> MethodEntry:
    """The method of a Python file: `METHOD`, by the name `KEY`, with the title `TITLE`. The file is
    run.

    Raises:
        UsageError: when it cannot be read or run, or defines no method.
    """
    try:
        text = read_bytes(path, DOCUMENT_BYTES)
    except Unusable as error:
        raise UsageError(f"{option('method_file', path)}: {error}.") from error
    checksum = hashlib.sha256(text).hexdigest()
    name = f"{MODULE}{checksum[:16]}"
    spec = importlib.util.spec_from_loader(name, loader=None, origin=str(path))
    if name not in sys.modules and spec is not None:
        module = importlib.util.module_from_spec(spec)
        module.__file__ = str(path)  # the source of its functions is read there
        sys.modules[name] = module
        try:
            exec(compile(text, str(path), "exec"), vars(module))
        except BaseException as error:  # its own code may end with any, `SystemExit` among them
            del sys.modules[name]
            if isinstance(error, KeyboardInterrupt):
                raise
            why = one_line(str(error)[:MAX_WHY])
            raise UsageError(
                f"{option('method_file', path)}: {type(error).__name__}: {why}"
            ) from error
    from tvsight.methods.method import Method  # torch, which the file has imported

    found = vars(sys.modules[name])
    key, title = found.get("KEY"), found.get("TITLE")
    if not isinstance(found.get("METHOD"), Method) or not isinstance(title, str):
        raise UsageError(
            f"{option('method_file', path)}: KEY, TITLE and METHOD = Method(...) were expected, "
            "see docs/adding_a_method.md."
        )
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise UsageError(
            f"{option('method_file', path)}: KEY {shown(key)}: small letters, digits and "
            "underscores were expected, at most 64, the first a letter."
        )
    check_text(title, f"{option('method_file', path)}: TITLE", MAX_TITLE)
    if key in METHODS:
        raise UsageError(f"{option('method_file', path)}: tvsight has a method {key!r} already.")
    return MethodEntry(key, one_line(title), module=name, source=f"sha256:{checksum}")


def own_method(given: "Callable[..., Any] | Method") -> MethodEntry:
    """The method of a function `learn`, or a `Method` of one, by the name of the function. Its
    results are stored by the source of the function and of those of its module that it calls.

    Raises:
        UsageError: when the function has no name or source, or uses variables of another one,
            which its source does not show.
    """
    from tvsight.methods.method import Method  # torch, which the caller has imported

    method = given if isinstance(given, Method) else Method(given)
    learn, needed = method.learn, "a function `learn(decoder, prompts)` with a name and a source"
    key = getattr(learn, "__name__", "")
    if not inspect.isfunction(learn) or not KEY.fullmatch(key) or learn.__closure__:
        raise unexpected("method", f"{needed}, of no other function", given)
    if key in METHODS:
        raise UsageError(f"method: tvsight has a method {key!r} already.")
    try:
        parts = [method.of, method.use, *_sources(learn, {})]
        parts += [f"{name}: {_identity(other)}" for name, other in method.needs.items()]
    except OSError as error:
        raise unexpected("method", needed, given) from error
    checksum = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    title = key.replace("_", " ").capitalize()
    return MethodEntry(key, title, source=f"sha256:{checksum}", own=method)


def _identity(method: "Method") -> str | None:
    """The name of a method of tvsight, or the checksum of another one."""
    own = (key for key, entry in METHODS.items() if entry.load() is method)
    return next(own, None) or own_method(method).source


def _sources(function: Any, seen: dict[str, str]) -> list[str]:
    """The sources of a function and of what its module defines and it uses, with its defaults and
    the plain values that they name.

    Raises:
        UsageError: where a value is not plain, so that a change of it would not be seen.
    """
    seen[function.__qualname__] = inspect.getsource(function)
    defaults = {"defaults": function.__defaults__, "keywords": function.__kwdefaults__}
    used = {name: function.__globals__.get(name) for name in sorted(_names(function.__code__))}
    for name, value in (defaults | used).items():
        if inspect.ismodule(value) or inspect.isbuiltin(value):
            continue
        if inspect.isfunction(value) or inspect.isclass(value):
            if value.__module__ != function.__module__ or value.__qualname__ in seen:
                continue
            if inspect.isfunction(value):
                _sources(value, seen)
            else:
                seen[value.__qualname__] = inspect.getsource(value)
        elif _is_plain(value):
            seen[f"{function.__qualname__}: {name}"] = repr(value)
        else:
            expected = f"a function whose variables are plain values; {name} is none"
            raise unexpected("method", expected, function)
    return list(seen.values())


def _is_plain(value: Any) -> bool:
    """Whether the text of a value says all of it."""
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, [*value, *value.values()]))
    return value is None or isinstance(value, bool | int | float | str)


def _names(code: CodeType) -> set[str]:
    """The global variables that some code reads."""
    read = {step.argval for step in get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    inner = (_names(one) for one in code.co_consts if isinstance(one, CodeType))
    return read.union(*inner)
