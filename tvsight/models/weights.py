"""Identity of loaded weights: files that may be read, and a fingerprint of what is in memory."""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor, nn

from tvsight.errors import UsageError
from tvsight.models.sources import checkpoint_files

KINDS = {"model.safetensors.index.json": ".safetensors", "pytorch_model.bin.index.json": ".bin"}
"""The ending of the files that an index may name."""
PARTS = 16
"""Parts of a tensor that are summed apart, so that numbers which change places show."""
HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_hooks", "_backward_pre_hooks")


def check_files(name: str, directory: Path, code: bool, whole: bool = True) -> None:
    """Check that a loader reads no other files of a checkpoint than those that identify it.

    Args:
        code: whether code of the checkpoint is run.
        whole: whether the directory has the weights too. Otherwise they are not looked for.

    Raises:
        UsageError: for an index, a configuration or an adapter that leads elsewhere.
    """
    known = {path.as_posix() for path in checkpoint_files(directory)}
    if "adapter_config.json" in known:
        raise UsageError(
            f"The checkpoint {name} is an adapter, whose base model lies elsewhere. Merge both "
            "(peft's merge_and_unload) and save the result."
        )
    for file, part in _named_files(directory, known, code):
        kind = KINDS.get(file, "")
        absent = whole and part not in known
        if absent or not part.endswith(kind or (".safetensors", ".bin")):
            raise UsageError(
                f"The checkpoint {name} cannot be read: {file} names {part!r}, and a {kind} file "
                "of the checkpoint was expected, inside of its folder and not hidden."
            )


def _named_files(directory: Path, known: set[str], code: bool) -> Iterator[tuple[str, str]]:
    """The files of weights that other files of a checkpoint name, after the names of these."""
    for index in KINDS:
        if index in known:
            weight_map = _fields(directory / index).get("weight_map")
            for part in set(weight_map.values()) if isinstance(weight_map, dict) else ():
                yield index, _normal(part)
    config = _fields(directory / "config.json")
    named = config.get("transformers_weights")
    if named and str(named).endswith(".index.json"):
        yield "config.json", f"the index {named}"  # none of those that are checked here
    elif named:
        yield "config.json", _normal(named)
    for fields in (config, _fields(directory / "tokenizer_config.json")) if code else ():
        auto_map = fields.get("auto_map")
        for classes in auto_map.values() if isinstance(auto_map, dict) else ():
            for source in classes if isinstance(classes, list) else [classes]:
                if "--" in str(source):  # another repository, which may change
                    yield "auto_map", str(source)


def _normal(part: object) -> str:
    return PurePosixPath(part).as_posix() if isinstance(part, str) else str(part)


def _fields(file: Path) -> dict[str, Any]:
    """The fields of a JSON file; none where it is not one, which its reader tells."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def fingerprint(module: nn.Module) -> dict[str, tuple[Any, ...]]:
    """A cheap fingerprint of a model in memory, by the name of the part: of each tensor its type,
    shape and sums of its bits, and of each module with hooks their numbers.

    It takes a tenth of a second for a billion bytes.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        found[name] = (str(tensor.dtype), tuple(tensor.shape), *_sums(tensor.detach()))
    for name, part in module.named_modules():
        hooks = [len(getattr(part, kind)) for kind in HOOKS]
        # nnsight sets a forward of its own at load, and the same stays.
        found[f"the hooks of {name or 'the model'}"] = (*hooks, id(vars(part).get("forward")))
    return found


def _sums(tensor: Tensor) -> tuple[int, ...]:
    """Sums of the bits of the parts of a tensor, modulo 2^64: exact in any order."""
    if tensor.is_meta:
        return ()
    content = tensor.contiguous().flatten().view(torch.uint8)
    whole = len(content) - len(content) % 8
    words = content[:whole].view(torch.int64)
    sums = [part.sum() for part in words.chunk(PARTS)] + [content[whole:].sum()]
    return tuple(torch.stack(sums).tolist())


def unmapped(module: nn.Module) -> None:
    """Copy the tensors of a model on the CPU, one after the other: pickled ones are mapped from a
    file, would change with it, and end the process where it is cut."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.device.type == "cpu":
            tensor.data = tensor.data.clone()


def changes(before: dict[str, tuple[Any, ...]], after: dict[str, tuple[Any, ...]]) -> list[str]:
    """The names of the parts that differ between two fingerprints."""
    names = [*before, *(name for name in after if name not in before)]
    return [name for name in names if before.get(name) != after.get(name)]
