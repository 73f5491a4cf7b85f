"""Seal the result of a job where it is computed, and read and check it here.

A result comes back over two networks and out of an object store. The code that computes it adds a
hash of the job and a digest of all that it returns. So a result of another job, or one with a
single changed bit, is recognised.
"""

import hashlib
import io
import json
import re
import sys
import zipfile
from typing import Any

import torch
import zstandard

UNKNOWN_SIZE = zstandard.CONTENTSIZE_UNKNOWN


class WrongResult(Exception):
    """A result is damaged, malformed, too large, or of another job. The text says which."""


def seal(content: dict[str, Any], asked: str) -> dict[str, Any]:
    """Run on the server: add the hash of a job to its result, and a digest of both.

    Args:
        content: tensors and plain Python under names.
        asked: a hash of the job and its model.
    """
    sealed = {**content, "asked": asked}
    return {**sealed, "sha256": fingerprint(sealed)}


def unseal(saved: Any, asked: str) -> dict[str, Any]:
    """Check that a result is complete and of the job `asked`, and return its content.

    Raises:
        WrongResult: when it is not.
    """
    try:
        content = dict(dict(saved)["result"])
        digest = content.pop("sha256")
        answered = content["asked"]
        same = digest == fingerprint(content)
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        raise WrongResult("it has not the form of a result") from error
    if not same:
        raise WrongResult("it differs from what the server computed")
    if answered != asked:
        raise WrongResult("it answers another job")
    return content


def fingerprint(value: Any) -> str:
    """A hash of every number, type and shape in tensors and plain Python."""
    text = json.dumps(value, sort_keys=True, default=tensor_fingerprint)
    return hashlib.sha256(text.encode()).hexdigest()


def tensor_fingerprint(tensor: torch.Tensor) -> list[Any]:
    """The type, shape and hash of a tensor, for `fingerprint`.

    Raises:
        TypeError: when it is no tensor.
    """
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"tensors and plain Python were expected, got {type(tensor).__name__}")
    content = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return [str(tensor.dtype), list(tensor.shape), hashlib.sha256(content.tobytes()).hexdigest()]


def read(packed: bytes, most: int) -> Any:
    """Read a result that nnsight saved on a server: a compressed zip of tensors around a pickle.

    Only tensors and plain Python are accepted, and no code of the pickle is run. The checksums of
    the zip are compared first, so that damage is not interpreted.

    Args:
        most: bytes that the result may have, unpacked.

    Raises:
        WrongResult: when it cannot be read, or is larger.
    """
    try:
        content = _decompressed(packed, most)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > most:
                raise _too_large(most)
            if archive.testzip() is not None:
                raise WrongResult("it is damaged: a checksum in it is wrong")
        value = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not _fits(value, most):
            raise _too_large(most)
    except WrongResult:
        raise
    except Exception as error:  # damage makes readers fail in ways that they do not document
        # What torch says advises to read it without care.
        code = re.search(r"GLOBAL (\S{1,80})", str(error))
        why = f"it asks for {code[1]}" if code else "it cannot be read"
        raise WrongResult(
            f"{why}; only tensors and plain Python are accepted, and no code of it was run"
        ) from error
    return value


def _decompressed(packed: bytes, most: int) -> bytes:
    size = zstandard.get_frame_parameters(packed).content_size
    if size != UNKNOWN_SIZE and size > most:
        raise _too_large(most)
    return zstandard.ZstdDecompressor().decompress(packed, max_output_size=most)


def _fits(value: Any, most: int) -> bool:
    """Whether a value has at most `most` bytes when it is written out in full. A tensor may repeat
    its numbers, and a list its parts."""
    parts, size = [value], 0
    while parts and size <= most:
        part = parts.pop()
        size += part.nbytes if isinstance(part, torch.Tensor) else sys.getsizeof(part)
        if isinstance(part, dict):
            parts.extend(part.values())
        elif isinstance(part, list | tuple):
            parts.extend(part)
    return size <= most


def _too_large(most: int) -> WrongResult:
    return WrongResult(f"it is larger than the {most / 1e6:.0f} MB that its job can bring")
