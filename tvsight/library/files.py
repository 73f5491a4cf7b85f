"""Files of a vector: safetensors, GGUF control vectors of llama.cpp; and specs of EasySteer."""

import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tvsight.errors import Remark, UsageError, needed
from tvsight.foreign import check_file, parsed
from tvsight.interventions.attention import Head
from tvsight.library.origin import Origin
from tvsight.library.report import Report
from tvsight.texts import one_line
from tvsight.writing import VERSION, has, reason, whole_file

NAME = "values"
"""The tensor in a file of a vector."""
FIELDS = {"task", "kind", "layer", "adds", "template", "spaced", "version", *Origin._fields}
"""The metadata of every such file, as plain strings. `report` and `heads` may be among them."""
LAYER = re.compile(r"\d{1,4}")
MAX_TEXT = 2000
MAX_FILE_BYTES = 1_000_000_000
MARK = "tvsight.version"
"""A field of GGUF files, by which they are known."""
APPLIED = {"site": "residual stream after the block", "layer_base": 0, "read_token": -1}
"""Application of a GGUF file's vector, beside what the vector says of itself: blocks are
counted from 0, and the token is the last of a prompt."""


def write_vector(path: Path, values: Tensor, about: Mapping[str, str]) -> None:
    """Write a vector `[depth, width]` with its metadata, whole or not at all.

    Args:
        about: all of `FIELDS` and `Origin` but the version.

    Raises:
        UsageError: when the file cannot be written.
    """
    metadata = {**about, "version": VERSION}
    _write(path, lambda new: save_file({NAME: values.contiguous()}, new, metadata), _is_vector)


def read_vector(
    path: Path, model: Origin
) -> tuple[Tensor, dict[str, str], Origin, Report | None, list[Head]]:
    """A vector, its metadata, its origin, its report and the heads that it sums.

    Args:
        model: the model that it is read for.

    Raises:
        UsageError: when there is no such file, or it holds no vector.
    """
    try:
        check_file(path, MAX_FILE_BYTES)
        with safe_open(path, framework="pt") as file:
            about = dict(file.metadata() or {})
            values = file.get_tensor(NAME)
        if not about.keys() >= FIELDS or not LAYER.fullmatch(about["layer"]):
            raise ValueError("its metadata is incomplete")
        if len(about["template"]) > MAX_TEXT:
            raise ValueError(f"its template has more than {MAX_TEXT} characters")
        report = Report.from_json(about["report"]) if "report" in about else None
        heads = [(int(block), int(head)) for block, head in parsed(about.get("heads", "[]"))]
    except (OSError, SafetensorError, ValueError, TypeError, LookupError, RuntimeError) as error:
        why = one_line(reason(error)[:MAX_TEXT])
        named = one_line(str(path))
        raise UsageError(f"{named}: expected a vector that Vector.save wrote: {why}.") from error
    origin = Origin(*(one_line(about[field][:MAX_TEXT]) for field in Origin._fields))
    if (origin.model, origin.dtype) != (model.model, model.dtype):
        said = f"{one_line(str(path))} was extracted with {origin}, not with {model}."
        warnings.warn(said, Remark, stacklevel=3)
    return values, about, origin, report, heads


def write_gguf(
    path: Path, vector: Tensor, layer: int, architecture: str, about: Mapping[str, str]
) -> None:
    """Write a control vector of llama.cpp with one direction `[width]`.

    llama.cpp adds the tensor `direction.N` to the output of block N, counted from 0, at every
    position. It reads no `direction.0`.

    Args:
        about: as in `write_vector`.

    Raises:
        UsageError: without the package gguf, or when the file cannot be written.
    """
    with needed():
        from gguf import GGUFWriter
    operation = "add" if about["adds"] == "True" else "overwrite"
    known: dict[str, Any] = {**about, "layer": layer, "operation": operation, **APPLIED}

    def write(new: Path) -> None:
        writer = GGUFWriter(new, "controlvector")
        try:
            writer.add_string(MARK, VERSION)
            writer.add_string("controlvector.model_hint", architecture)
            writer.add_uint32("controlvector.layer_count", 1)
            for name, value in known.items():
                add = writer.add_int32 if isinstance(value, int) else writer.add_string
                add(f"tvsight.{name}", value)
            writer.add_tensor(f"direction.{layer}", vector.numpy())
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        finally:
            writer.close()

    _write(path, write, has(MARK.encode(), within=1000))


def easysteer(vector: Tensor, layer: int, adds: bool) -> Any:
    """The spec of EasySteer that applies a vector `[width]` once, see `Vector.easysteer`.

    Raises:
        UsageError: without EasySteer's vLLM.
    """
    try:
        from vllm.steer_vectors import ApplySpec, DirectionVector, SteeringSpec, VectorSpec
    except ImportError as error:
        said = "vllm.steer_vectors of EasySteer is not installed"
        raise UsageError(f"{said}: see github.com/ZJU-REAL/EasySteer") from error
    algorithm, data = "direct" if adds else "replace", DirectionVector({layer: vector})
    where = ApplySpec(prompt_positions=[-1])
    return SteeringSpec(vectors=[VectorSpec(data=data, algorithm=algorithm, apply=where)])


def _is_vector(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).keys() >= FIELDS
    except (OSError, SafetensorError):
        return False


def _write(path: Path, write: Callable[[Path], None], is_own: Callable[[Path], bool]) -> None:
    try:
        with whole_file(path, is_own) as new:
            write(new)
    except (OSError, SafetensorError) as error:
        named = one_line(str(path))
        raise UsageError(f"{named} cannot be written: {reason(error)}.") from error
