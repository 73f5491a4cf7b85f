"""Identity of loaded weights: files that may be read, and a fingerprint of what is in memory."""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as every
from transformers import PreTrainedModel

from tvsight.errors import UsageError
from tvsight.models.sources import checkpoint_files

KINDS = {"model.safetensors.index.json": ".safetensors", "pytorch_model.bin.index.json": ".bin"}
"""The ending of the files that an index may name."""
PARTS = 16
"""Parts of a tensor that are summed apart, so that numbers which change places show."""
HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_hooks", "_backward_pre_hooks")
OF_PLACE = ("_name_or_path", "name_or_path", "transformers_version")
"""Fields of a configuration or a model that change no number."""
COLLECTORS = "transformers.utils.output_capturing"
"""The module whose hooks stay after `output_hidden_states=True`, and change no number."""


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
    named = _fields(directory / "config.json").get("transformers_weights")
    if named and str(named).endswith(".index.json"):
        yield "config.json", f"the index {named}"  # none of those that are checked here
    elif named:
        yield "config.json", _normal(named)
    for file in (name for name in known if code and name.endswith("config.json")):
        for source in _classes(_fields(directory / file)):
            if "--" in source:  # another repository, which may change
                yield "auto_map", source


def _classes(value: Any, named: bool = False) -> Iterator[str]:
    """The classes of code that a configuration, or one inside of it, names."""
    if isinstance(value, dict):
        for key, of in value.items():
            yield from _classes(of, named or key == "auto_map")
    elif isinstance(value, list):
        for of in value:
            yield from _classes(of, named)
    elif named:
        yield str(value)


def _normal(part: object) -> str:
    return PurePosixPath(part).as_posix() if isinstance(part, str) else str(part)


def _fields(file: Path) -> dict[str, Any]:
    """The fields of a JSON file; none where it is not one, which its reader tells."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def fingerprint(module: PreTrainedModel, tokenizer: Any) -> dict[str, tuple[Any, ...]]:
    """A cheap fingerprint of a model and its tokenizer in memory, by the name of the part: of each
    tensor its type, shape and sums of its bits, of each module its hooks, settings and functions,
    and the configuration.

    It takes a tenth of a second for a billion bytes. Tensors on the meta device count by their
    shape.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        found[name] = (str(tensor.dtype), tuple(tensor.shape), *_sums(tensor.detach()))
    for name, part in module.named_modules():
        name = name or "the model"
        found[f"the hooks of {name}"] = (hooks(part),)
        # nnsight sets a forward of its own at load, and the same stays.
        functions = {key: id(value) for key, value in vars(part).items() if callable(value)}
        functions["forward of its class"] = id(type(part).forward)
        tensors = {key: _sums(of) for key, of in vars(part).items() if isinstance(of, Tensor)}
        found[f"the settings of {name}"] = (settings(part), functions, tensors)
    found["the hooks of all modules"] = tuple(
        len(getattr(every, f"_global{kind}")) for kind in HOOKS
    )
    found["its configuration"] = (repr(module.config.to_dict()),)
    found["its settings of generation"] = (repr(module.generation_config),)
    found["its tokenizer"] = _tokenization(tokenizer)
    return found


def hooks(part: nn.Module) -> int:
    """The number of hooks of a module, but for those by which transformers collects states."""
    found = [hook for kind in HOOKS for hook in getattr(part, kind).values()]
    return sum(getattr(hook, "__module__", "") != COLLECTORS for hook in found)


def settings(part: nn.Module) -> tuple[str, dict[str, Any]]:
    """The class of a module, and its public numbers, switches, names and lists of these, such as
    the scale of attention; private ones are notes of a library, such as whether states were ever
    collected."""
    kept = {
        key: value
        for key, value in vars(part).items()
        if _is_plain(value) and not key.startswith("_") and key not in OF_PLACE
    }
    return type(part).__qualname__, kept


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


def _tokenization(tokenizer: Any) -> tuple[str, ...]:
    """What turns texts into tokens, but for the vocabulary of a fast tokenizer, of which none can
    be taken away in memory."""
    cleans = getattr(tokenizer, "clean_up_tokenization_spaces", None)
    words = [type(tokenizer), tokenizer.special_tokens_map, tokenizer.added_tokens_decoder, cleans]
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return (*map(repr, words), repr(tokenizer.get_vocab()))
    steps = (backend.normalizer, backend.pre_tokenizer, backend.post_processor, backend.decoder)
    words.extend(step and step.__getstate__() for step in steps)
    options = {name: getattr(backend.model, name) for name in dir(backend.model)}
    words.append({name: of for name, of in options.items() if _is_plain(of) and name[0] != "_"})
    return (*map(repr, words), str(backend.get_vocab_size()))


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
