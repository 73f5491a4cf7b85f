"""Check the arguments of the library, so that a mistake is one line and not a trace of torch."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Protocol, SupportsFloat, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from tvsight import tasks
from tvsight.errors import UsageError, integer, nearest, unexpected
from tvsight.methods import METHODS, MethodEntry
from tvsight.methods.files import own_method, read_method
from tvsight.methods.method import Method
from tvsight.models.model import Model
from tvsight.prompts import Template, templates
from tvsight.tasks import Task
from tvsight.tasks.words import is_encodable

Values = Tensor | np.ndarray[Any, Any]
Patched = Any
"""A patch or several, see `as_patches`."""
Text = TypeVar("Text", str, list[str])
"""A text, or a list of texts, of which the same is returned."""


@runtime_checkable
class Placed(Protocol):
    """A vector with the block where it is applied: `tvsight.Vector`."""

    layer: int
    values: Tensor
    adds: bool
    origin: Any


def as_task(task: Any, name: str = "own") -> Task:
    """A task, the packaged one of a name, or one of pairs, which gets a name."""
    if isinstance(task, str):
        return tasks.task(task)
    if isinstance(task, Task):
        return task
    if not isinstance(task, Iterable):
        raise unexpected("task", "a task, the name of one, or pairs", task)
    return Task.of(name, task)


def as_tasks(given: Any) -> list[str | Task]:
    """Names as for `--tasks`, and tasks: what one name, task or set of pairs, or several, mean."""
    is_one = isinstance(given, str | Task | Mapping) or hasattr(given, "columns")
    is_one = is_one or hasattr(given, "column_names")
    if not is_one and not isinstance(given, Iterable):
        raise unexpected("tasks", "names, tasks or pairs", given)
    several = [given] if is_one else list(given)
    if several and all(isinstance(one, tuple | list) and is_pair(one) for one in several):
        several = [several]
    found: list[str | Task] = []
    for number, one in enumerate(several, start=1):
        name = "own" if len(several) == 1 else f"own_{number}"
        found.append(as_text("tasks", one) if isinstance(one, str) else as_task(one, name))
    if not found:
        raise unexpected("tasks", "at least one name", given)
    return found


def is_pair(row: Sequence[Any]) -> bool:
    """Whether a row is an input with its answer or answers, and no list of such rows."""
    return len(row) == 2 and isinstance(row[0], str)


def as_method(method: Any) -> MethodEntry:
    """A method: one of tvsight's by its name, that of a file, which is run, or of a function."""
    if isinstance(method, PathLike) or str(method).endswith(".py"):
        return read_method(as_path("method", method))
    if callable(method) or isinstance(method, Method):
        return own_method(method)
    if (name := as_text("method", method)) not in METHODS:
        known = f"{', '.join(METHODS)}; or give a file or a function of your own."
        raise UsageError(
            f"method: unknown method {name!r}.{nearest(name, METHODS)} The methods are {known}"
        )
    return METHODS[name]


def as_template(prompt: Template | str | None) -> Template:
    """A template, one by its name or text, or the paper's."""
    if prompt is None or isinstance(prompt, str):
        return templates.template("example" if prompt is None else prompt)
    if not isinstance(prompt, Template):
        raise unexpected("prompt", "a template or the name of one", prompt)
    return prompt


def whole(name: str, value: object, least: float | None = None) -> int:
    """A whole number of any library."""
    number = integer(value)
    if number is None or (least is not None and number < least):
        limit = "" if least is None else f" of at least {least}"
        raise unexpected(name, f"a whole number{limit}", value)
    return number


def finite(name: str, value: object) -> float:
    """A finite number of any library."""
    try:
        if isinstance(value, SupportsFloat) and not isinstance(value, bool):
            number = float(value)
            if math.isfinite(number):
                return number
    except (TypeError, ValueError, ArithmeticError, RuntimeError):  # an array, or too large
        pass
    raise unexpected(name, "a finite number", value)


def as_text(name: str, value: object) -> str:
    """A text that can be tokenised."""
    if not isinstance(value, str) or not is_encodable(value):
        raise unexpected(name, "UTF-8 text", value)
    return value


def each(name: str, texts: Text, answered: Callable[[list[str]], list[str]]) -> Text:
    """What is answered to a text, or to each of a list of texts."""
    if not isinstance(texts, list):
        return answered([texts])[0]
    if not texts:
        raise unexpected(name, "at least one text", texts)
    return answered(texts)


def as_query(value: object) -> str:
    """A text that can be tokenised, with a word in it."""
    query = as_text("query", value)
    if not query.strip():
        raise unexpected("query", "a text with a word in it", query)
    return query


def as_path(name: str, value: object) -> Path:
    """The path of a file."""
    path = fspath(value) if isinstance(value, PathLike) else value
    if not isinstance(path, str) or not path or "\0" in path:
        raise unexpected(name, "the path of a file", value)
    return Path(path)


def pairs(shown: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Demonstrations as pairs of texts."""
    expected = "pairs of an input and an answer"
    if isinstance(shown, str) or not isinstance(shown, Iterable):
        raise unexpected("demonstrations", expected, shown)
    texts = []
    for pair in shown:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise unexpected("demonstrations", expected, pair)
        texts.append((as_text("demonstration", pair[0]), as_text("demonstration", pair[1])))
    return tuple(texts)


def dense(name: str, values: Values, shape: list[int]) -> Tensor:
    """Floating-point numbers of a shape, as a tensor.

    Raises:
        UsageError: for anything else.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind == "f" and not np.ma.is_masked(values):
        values = torch.from_numpy(np.array(values, dtype=np.float64, order="C"))
    if (
        not isinstance(values, Tensor)
        or not values.is_floating_point()
        or list(values.shape) != shape
        or values.layout != torch.strided
        or values.is_meta
    ):
        size = f"vector of {shape[0]}" if len(shape) == 1 else f"array {shape} of"
        raise unexpected(name, f"a dense {size} floating-point numbers", values)
    return values.detach()


def held(name: str, values: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Values on a device and in a precision. For a model whose weights a server has, they are in
    single precision on the CPU; the server rounds them to its own.

    Raises:
        UsageError: when they are not finite there.
    """
    is_distant = device.type == "meta"
    placed = values.to("cpu", torch.float32) if is_distant else values.to(device, dtype)
    if not placed.isfinite().all():
        raise UsageError(f"{name}: the vector holds NaN or infinity in {placed.dtype}.")
    return placed


def as_patch(model: Model, patch: Any) -> tuple[int, Tensor]:
    """A block, and a vector in the device and precision of the model.

    Args:
        patch: `(block, vector)`, or a `tvsight.Vector` that is written over, at its own block.
    """
    if isinstance(patch, Placed):
        patch.origin.check(model)
        if patch.adds:
            raise UsageError(
                "patch: this vector is added, and a patch is written over: use theta.apply, or "
                "theta.steering. (block, theta.values[block]) writes it over."
            )
        patch = (patch.layer, patch.values[patch.layer])
    if not isinstance(patch, tuple | list) or len(patch) != 2:
        raise unexpected("patch", "a block and a vector", patch)
    (layer,) = model.decoder.block_numbers(patch[:1])
    vector = dense("patch", patch[1], [model.decoder.width])
    return layer, held("patch", vector, model.decoder.device, model.decoder.dtype)


def as_patches(model: Model, patch: Patched, tokens: int) -> list[tuple[int, Tensor, int]]:
    """Blocks, vectors and places of tokens, counted from the end, -1 for the last.

    Args:
        patch: as for `as_patch`, `(block, vector, place)`, or a list of these; None for none.
        tokens: number of tokens of the shortest prompt.
    """
    found = []
    several = [] if patch is None else patch if isinstance(patch, list) else [patch]
    for one in several:
        *given, place = one if isinstance(one, tuple) and len(one) == 3 else (one, -1)
        layer, vector = as_patch(model, given[0] if len(given) == 1 else tuple(given))
        place = whole("place", place)
        if not -tokens <= place < 0:
            raise unexpected("place", f"-1 for the last token, to {-tokens}", place)
        found.append((layer, vector, place))
    return found
