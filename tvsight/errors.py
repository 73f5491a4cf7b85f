"""Errors that people read.

Each message says what was given, what was expected, and what to do next. The command line prints
it without a stack trace.
"""

import difflib
import operator
import re
import reprlib
import textwrap
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

EXTRAS = {
    **dict.fromkeys(("matplotlib", "PIL", "scipy", "seaborn", "sklearn"), "figures"),
    **{"vl_convert": "report", "tenacity": "remote", "gguf": "embedded"},
}
"""Modules that the base installation lacks, and the extra that brings each."""
LARGEST = 10**18
"""The largest whole number that an option or argument may have."""
MAX_SHOWN = 60
"""Most characters of a value in the message of its error."""


class TvsightError(Exception):
    """Base of every error that tvsight raises on purpose."""


class UsageError(TvsightError):
    """The request cannot be carried out as written (exit code 2)."""


class StorageError(UsageError):
    """The results folder cannot be written: a full disk, a quota, a read-only folder (exit code 2).

    It ends a run, since no other task could be stored either. Earlier results stay.
    """


class RefusedError(UsageError):
    """A server or a model lacks what every task of a run needs: a key, a precision, attention heads
    that can be told apart (exit code 2).

    It ends a run. Jobs that the server has accepted are remembered.
    """


class ServerError(TvsightError):
    """A server cannot be reached or does not work; trying later may help (exit code 3)."""


class MeasurementError(TvsightError):
    """A measurement gave impossible numbers. The task fails, and the run goes on."""


class ShortOfMemory(UserWarning):
    """Fewer rows than planned were computed at once, since they did not fit a device's memory."""


class Remark(UserWarning):
    """Something that a person should know about a request that can be carried out."""


@contextmanager
def needed() -> Iterator[None]:
    """Name the command that installs what an import in the block lacks.

    Raises:
        UsageError: in place of a `ModuleNotFoundError`, for a module of `EXTRAS`.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = str(error.name).partition(".")[0]
        if module not in EXTRAS:
            raise
        raise UsageError(
            f'{module} is not installed: pip install "tvsight[{EXTRAS[module]}]" '
            f'(in a clone: pip install -e ".[{EXTRAS[module]}]").'
        ) from error


PYTHON = ContextVar("PYTHON", default=False)
"""Whether errors are for a caller in Python."""
CALLED = {
    "model": "tvsight.load",
    "host": "the host of nnsight's configuration",
    "remote_simulated": "remote='simulated'",
}
"""Options that are no arguments of the same name."""
GREEDY, AS_IT_IS = "nothing: text is greedy", "nothing: the model is used as it is"
ELSEWHERE = {
    **{"torch_dtype": "dtype=", "device_map": "device="},
    **dict.fromkeys(("fold_ln", "center_unembed", "center_writing_weights"), AS_IT_IS),
    **dict.fromkeys(("enable_attention_probs", "attn_implementation"), AS_IT_IS),
    **dict.fromkeys(("max_new_tokens", "max_tokens", "max_length", "n_tokens"), "tokens="),
    **dict.fromkeys(("do_sample", "temperature", "top_p", "num_beams"), GREEDY),
    **dict.fromkeys(("k", "top_k", "topk", "n_top"), "top="),
    **dict.fromkeys(("coeff", "coefficient", "strength", "multiplier", "scale"), "alpha="),
    **dict.fromkeys(("layers", "layer_idx", "layer_index", "block"), "layer="),
    **dict.fromkeys(("n_shots", "num_shots", "num_fewshot"), "shots="),
}
"""Arguments of transformers, nnterp, TransformerLens and others, and what tvsight has instead."""
UNKNOWN = re.compile(r".*\(\) got an unexpected keyword argument '(\w+)'.*")


@contextmanager
def in_python() -> Iterator[None]:
    """Name options as arguments of Python while the block, or the decorated function, lasts, and
    what is not installed, see `needed`, and what to use for an argument of `ELSEWHERE`."""
    before = PYTHON.set(True)
    try:
        with needed():
            yield
    except TypeError as error:
        if (unknown := UNKNOWN.fullmatch(str(error))) and (use := instead(unknown[1])):
            raise UsageError(f"{unknown[1]}: unknown argument.{use}") from None
        raise
    finally:
        PYTHON.reset(before)


def option(name: str, value: object = None) -> str:
    """An option, and its value, as the person who reads the error gives it: `--shots 3` at the
    terminal, `shots=3` in Python. A value of True or False is that of a switch."""
    if PYTHON.get():
        called = CALLED.get(name, name)
        if name == "model" and value is not None:
            return f"{called}({value!r})"
        return called if value is None or name == "remote_simulated" else f"{called}={value}"
    typed = ("--no-" if value is False else "--") + name.replace("_", "-")
    return typed if value is None or isinstance(value, bool) else f"{typed} {value}"


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that suggests the known names closest to `name`; empty when none is close."""
    lowered = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.75)
    if not close:
        return ""
    return " Did you mean " + " or ".join(repr(lowered[candidate]) for candidate in close) + "?"


def instead(argument: str) -> str:
    """A sentence that names what to use for an argument from elsewhere; empty for any other."""
    return f" Use {ELSEWHERE[argument]}." if argument in ELSEWHERE else ""


def unexpected(name: str, expected: str, value: object) -> UsageError:
    """The error for a parameter `name` that has a value of the wrong kind."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        shown = f"{value.dtype} {list(value.shape)}"
    else:
        try:
            shown = textwrap.shorten(reprlib.repr(value), MAX_SHOWN, placeholder="...")
        except ValueError:  # Python writes no number of 4,300 digits
            shown = "of too many digits"
    return UsageError(f"{name}: expected {expected}, got {type(value).__name__} {shown}.")


def integer(value: Any) -> int | None:
    """A whole number of any library as an `int`; None for anything else, even `True` and `2.0`, and
    for a number that no file or array holds."""
    if isinstance(value, bool) or "bool" in str(getattr(value, "dtype", "")):
        return None
    try:
        number = operator.index(value)
        return number if abs(number) <= LARGEST else None
    except TypeError:
        return None


def refuse_repeated(name: str, entries: Sequence[object], meant: Sequence[Hashable]) -> None:
    """Refuse a list in which two entries mean the same.

    Args:
        meant: what each entry stands for.

    Raises:
        UsageError: with both entries.
    """
    first: dict[Hashable, object] = {}
    for entry, meaning in zip(entries, meant, strict=True):
        if meaning in first:
            other = first[meaning]
            same = "is named twice" if other == entry else f"and {entry} are the same"
            raise UsageError(f"{option(name)}: {other} {same}. Name it once.")
        first[meaning] = entry
