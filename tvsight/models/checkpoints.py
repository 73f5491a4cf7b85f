"""Check that a checkpoint's configuration can be built, and that its tensors fill what is built."""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from transformers import PretrainedConfig

from tvsight.errors import UsageError

MOST_BLOCKS = 1000
"""The deepest decoders that are published have fewer than 200 blocks."""
SIZES = (
    *("num_hidden_layers", "hidden_size", "vocab_size", "num_attention_heads"),
    *("num_key_value_heads", "head_dim", "intermediate_size", "max_position_embeddings"),
)
"""What a configuration counts, where it names it at all."""
BLOCK = re.compile(r"\.(\d+)\.")
LISTED = 3
"""Tensors that a message names; the rest is counted."""


@dataclass(frozen=True)
class Loading:
    """What transformers says of a load. The tensors that it lacked it has drawn at random.

    Tied embeddings, buffers that are made at load and tensors that the architecture is known to
    leave aside are in none of the three.
    """

    missing: Collection[str]
    unexpected: Collection[str]
    mismatched: Mapping[str, tuple[Collection[int], Collection[int]]]
    """The shapes of a tensor: in the file, and by the configuration."""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Loading":
        """From what `from_pretrained(output_loading_info=True)` returns."""
        shapes = {name: (there, wanted) for name, there, wanted in told["mismatched_keys"]}
        return cls(told["missing_keys"], told["unexpected_keys"], shapes)


def check_configuration(name: str, config: PretrainedConfig) -> None:
    """Look at the sizes before anything is built by them.

    Raises:
        UsageError: for a size that no decoder has, or a number that is not finite.
    """
    text = config.get_text_config()
    for size in SIZES:
        value = getattr(text, size, None)
        most = MOST_BLOCKS if size == "num_hidden_layers" else math.inf
        if value is None or isinstance(value, list):  # some give a size for each block
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


def check_tensors(name: str, depth: int, loading: Loading) -> None:
    """Check that every weight came from the checkpoint, and that nothing in it was left over.

    Args:
        depth: number of blocks by the configuration.

    Raises:
        UsageError: with the first tensors that are missing, left over or of another shape, and the
            likely cause.
    """
    shapes = {
        f"{tensor} {list(there)} instead of {list(wanted)}"
        for tensor, (there, wanted) in loading.mismatched.items()
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
            f"{', '.join(found)}. {_cause(depth, loading)}"
        )


def _cause(depth: int, loading: Loading) -> str:
    missing, beyond = _blocks(loading.missing), _blocks(loading.unexpected)
    if beyond and min(beyond) >= depth:
        held = max(beyond) + 1
        return f"Likely cause: config.json has {depth} blocks, and the weights at least {held}."
    if missing and missing == set(range(min(missing), depth)) and min(missing) > 0:
        return (
            f"Likely cause: config.json has {depth} blocks, and the weights {min(missing)}; or "
            "the last files are absent."
        )
    if loading.mismatched:
        return "Likely cause: config.json is of another model, or was edited."
    if loading.missing and loading.unexpected:
        return "Likely cause: the weights are of another architecture than config.json."
    if loading.unexpected:
        return "Likely cause: weights with parts that this architecture lacks, such as adapters."
    if all("head" in tensor or "embed_out" in tensor for tensor in loading.missing):
        return (
            "Likely cause: saved without its unembedding, or config.json does not say that the "
            "embeddings are tied (tie_word_embeddings)."
        )
    return "Likely cause: an incomplete download or conversion; get the checkpoint again."


def _blocks(tensors: Collection[str]) -> set[int]:
    return {int(number[1]) for tensor in tensors if (number := BLOCK.search(tensor))}


def _listed(tensors: Collection[str]) -> str:
    ordered = sorted(tensors, key=_in_order)
    more = f" and {len(ordered) - LISTED} more" if len(ordered) > LISTED else ""
    return ", ".join(ordered[:LISTED]) + more


def _in_order(tensor: str) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", tensor)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
