"""Files of a vector: safetensors, and GGUF control vectors of llama.cpp."""

import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tvsight import __version__
from tvsight.errors import Remark, UsageError
from tvsight.foreign import check_file
from tvsight.library.report import Report
from tvsight.texts import one_line
from tvsight.writing import reason, whole_file

NAME = "values"
"""The tensor in a file of a vector."""
FIELDS = ("model", "task", "kind", "layer", "adds", "template", "spaced", "version")
"""The metadata of every such file, as plain strings. `report` may be among them."""
LAYER = re.compile(r"\d{1,4}")
MAX_TEXT = 2000
MAX_FILE_BYTES = 1_000_000_000
INSTALL_GGUF = 'pip install "gguf>=0.17"'


def write_vector(path: Path, values: Tensor, about: Mapping[str, str]) -> None:
    """Write a vector `[depth, width]` with its metadata, whole or not at all.

    Args:
        about: all of `FIELDS` but the version.

    Raises:
        UsageError: when the file cannot be written.
    """
    metadata = {**about, "version": __version__}
    _write(path, lambda new: save_file({NAME: values.contiguous()}, new, metadata))


def read_vector(path: Path, model: str) -> tuple[Tensor, dict[str, str], Report | None]:
    """A vector, its metadata and its report.

    Args:
        model: the name of the model that it is read for.

    Raises:
        UsageError: when there is no such file, or it holds no vector.
    """
    try:
        check_file(path, MAX_FILE_BYTES)
        with safe_open(path, framework="pt") as file:
            about = dict(file.metadata() or {})
            values = file.get_tensor(NAME)
        if not about.keys() >= set(FIELDS) or not LAYER.fullmatch(about["layer"]):
            raise ValueError("its metadata is incomplete")
        if len(about["template"]) > MAX_TEXT:
            raise ValueError(f"its template has more than {MAX_TEXT} characters")
        report = Report.from_json(about["report"]) if "report" in about else None
    except (OSError, SafetensorError, ValueError, TypeError, LookupError, RuntimeError) as error:
        why = one_line(reason(error)[:MAX_TEXT])
        named = one_line(str(path))
        raise UsageError(f"{named}: expected a vector that Vector.save wrote: {why}.") from error
    if about["model"] != model:
        known = one_line(about["model"])
        warnings.warn(f"{path} was learnt with {known}, not with {model}.", Remark, stacklevel=3)
    return values, about, report


def write_gguf(path: Path, vector: Tensor, layer: int, architecture: str) -> None:
    """Write a control vector of llama.cpp with one direction `[width]`.

    llama.cpp adds the tensor `direction.N` to the output of block N, counted from 0, at every
    position. It reads no `direction.0`.

    Raises:
        UsageError: without the package gguf, or when the file cannot be written.
    """
    try:
        from gguf import GGUFWriter
    except ImportError as error:
        raise UsageError(f"GGUF files need the package gguf: {INSTALL_GGUF}") from error

    def write(new: Path) -> None:
        writer = GGUFWriter(new, "controlvector")
        try:
            writer.add_string("controlvector.model_hint", architecture)
            writer.add_uint32("controlvector.layer_count", 1)
            writer.add_tensor(f"direction.{layer}", vector.numpy())
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        finally:
            writer.close()

    _write(path, write)


def _write(path: Path, write: Callable[[Path], None]) -> None:
    try:
        with whole_file(path) as new:
            write(new)
    except (OSError, SafetensorError) as error:
        named = one_line(str(path))
        raise UsageError(f"{named} cannot be written: {reason(error)}.") from error
