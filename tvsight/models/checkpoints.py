"""Check that a checkpoint's configuration can be built, and that its tensors fill what is built."""

import logging
import math
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from huggingface_hub import HfApi
from transformers import PretrainedConfig, PreTrainedModel
from transformers.utils.logging import (
    disable_progress_bar,
    enable_progress_bar,
    get_logger,
    is_progress_bar_enabled,
)

from tvsight.errors import UsageError

MOST_BLOCKS = 1000
"""The deepest decoders that are published have fewer than 200 blocks."""
SIZES = (
    *("num_hidden_layers", "hidden_size", "vocab_size", "num_attention_heads"),
    *("num_key_value_heads", "head_dim", "intermediate_size", "max_position_embeddings"),
)
"""Sizes in a configuration, where it has them."""
LISTED = 3
"""Number of tensors that a message names; the rest are counted."""
UNCOMPARED = ("quantization_config", "transformers_weights", "extra_files")
"""Fields of configurations whose weights have other shapes, or lie in files of other names."""


@dataclass(frozen=True)
class Loading:
    """Transformers' report on a load. It fills missing tensors with random numbers.

    Tied embeddings, buffers that are made at load and tensors that the architecture ignores are in
    none of the three.
    """

    missing: Collection[str] = ()
    unexpected: Collection[str] = ()
    mismatched: Collection[tuple[str, Collection[int], Collection[int]]] = ()
    """A tensor, its shape in the file, and its shape by the configuration."""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Loading":
        """From what `from_pretrained(output_loading_info=True)` returns."""
        return cls(told["missing_keys"], told["unexpected_keys"], told["mismatched_keys"])


def load_headers(module: PreTrainedModel, location: str, revision: str | None) -> Loading:
    """Predict transformers' report on loading a checkpoint, without its weights.

    Its own loading, with its renaming and merging of tensors, runs on the meta device.

    Args:
        module: the model that it is for.

    Returns:
        An empty report where it is unknown: the hub does not list the tensors, they are quantised,
            or the class loads them in its own way.
    """
    config = module.config
    shapes = tensor_shapes(location, revision)
    if shapes is None or any(getattr(config, name, None) for name in UNCOMPARED):
        return Loading()
    weights = {name: torch.empty(tuple(shape), device="meta") for name, shape in shapes.items()}
    try:
        with unreported(progress=False):
            _, told = type(module).from_pretrained(
                None,
                config=config,
                state_dict=weights,
                dtype=module.dtype,
                device_map={"": "meta"},
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                use_kernels=False,
            )
    except Exception:  # of any type, from code that a checkpoint may bring
        return Loading()
    return Loading.of(told)


def tensor_shapes(name: str, revision: str | None = None) -> dict[str, list[int]] | None:
    """The shapes of the tensors of a checkpoint on the hub, by name, from the headers of its files.

    Returns:
        None where they are unknown: there are no safetensors, or the hub does not send them.
    """
    with suppress(Exception):  # the hub client raises a dozen unrelated types
        files = HfApi().get_safetensors_metadata(name, revision=revision).files_metadata
        tensors = (tensor for file in files.values() for tensor in file.tensors.items())
        return {tensor: described.shape for tensor, described in tensors}
    return None


def check_configuration(name: str, config: PretrainedConfig) -> None:
    """Check the sizes in a configuration before a model is built.

    Raises:
        UsageError: for a size that no decoder has, or a number that is not finite.
    """
    text = config.get_text_config()
    for size in SIZES:
        value = getattr(text, size, None)
        most = MOST_BLOCKS if size == "num_hidden_layers" else math.inf
        if value is None or isinstance(value, list):  # some give a size for each block
            continue
        if size == "max_position_embeddings" and value == -1:  # no limit
            continue
        if not (isinstance(value, int) and 1 <= value <= most):
            limit = f"from 1 to {MOST_BLOCKS}" if most == MOST_BLOCKS else "above 0"
            field = text.attribute_map.get(size, size)
            raise UsageError(
                f"The checkpoint {name} cannot be built: {field} is {value!r} in its config.json, "
                f"and a whole number {limit} was expected."
            )
    for field, number in _numbers(text.to_dict()):
        if not math.isfinite(number):
            raise UsageError(
                f"The checkpoint {name} cannot be built: {field} is {number} in its config.json, "
                "and a finite number was expected."
            )


def _numbers(fields: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for field, value in fields.items():
        if isinstance(value, float):
            yield field, value
        elif isinstance(value, Mapping):
            yield from _numbers(value)


def check_tensors(name: str, loading: Loading) -> None:
    """Check that the checkpoint has every weight of the model, and no others.

    Raises:
        UsageError: with the first tensors that are missing, left over or of another shape.
    """
    shapes = {
        f"{tensor} {list(there)} instead of {list(wanted)}"
        for tensor, there, wanted in loading.mismatched
    }
    kinds = (
        ("missing", loading.missing),
        ("left over", loading.unexpected),
        ("of another shape", shapes),
    )
    found = [f"{len(names)} {kind} ({_listed(names)})" for kind, names in kinds if names]
    if found:
        raise UsageError(
            f"The tensors of the checkpoint {name} do not fit its config.json: "
            f"{', '.join(found)}. Get the checkpoint again, or correct its config.json."
        )


@contextmanager
def unreported(progress: bool = True) -> Iterator[None]:
    """Suppress transformers' own table of tensors that do not fit: `check_tensors` reports them."""
    logger = get_logger("transformers.modeling_utils")
    bar = is_progress_bar_enabled()
    logger.addFilter(_is_error)  # where its level is raised, it says which layers are not sharded
    if not progress:
        disable_progress_bar()
    try:
        yield
    finally:
        logger.removeFilter(_is_error)
        if bar and not progress:
            enable_progress_bar()


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


def _listed(tensors: Collection[str]) -> str:
    ordered = sorted(tensors, key=_in_order)
    more = f" and {len(ordered) - LISTED} more" if len(ordered) > LISTED else ""
    return ", ".join(ordered[:LISTED]) + more


def _in_order(tensor: str) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", tensor)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
