"""Methods by name, and methods that a user's own file defines."""

import hashlib
import importlib.util
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tvsight.errors import UsageError, nearest, option
from tvsight.foreign import DOCUMENT_BYTES, Unusable, read_bytes
from tvsight.methods import METHODS, MethodEntry
from tvsight.texts import one_line

KEY = re.compile(r"[a-z][a-z0-9_]*")
MAX_WHY = 300
"""Most characters that are shown of an error of a user's file."""
MODULE = "tvsight_method_"
"""Prefix of the module of a user's file, so that it takes no other module's place."""


def named_methods(names: Sequence[str], file: str | None = None) -> list[MethodEntry]:
    """Methods by their names, each once, in the order of the names.

    Args:
        file: one that defines a further method. It is run.

    Raises:
        UsageError: for an unknown name, or a file that does not define a method.
    """
    known = dict(METHODS)
    if file is not None:
        own = read_method(Path(file))
        if own.key in known:
            raise UsageError(
                f"{option('method_file', file)}: tvsight has a method {own.key!r} already."
            )
        known[own.key] = own
        names = [*names, own.key]
    for name in names:
        if name not in known:
            raise UsageError(
                f"{option('methods')}: unknown method {name!r}.{nearest(name, known)} The methods "
                f"are {', '.join(known)}; {option('method_file')} adds one of your own."
            )
    return [known[name] for name in dict.fromkeys(names)]


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
    if not isinstance(found.get("METHOD"), Method) or not title or not isinstance(title, str):
        raise UsageError(
            f"{option('method_file', path)}: KEY, TITLE and METHOD = Method(...) were expected, "
            "see docs/adding_a_method.md."
        )
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise UsageError(
            f"{option('method_file', path)}: KEY {key!r}: small letters, digits and underscores "
            "were expected."
        )
    return MethodEntry(key, one_line(title), module=name, source=f"sha256:{checksum}")
