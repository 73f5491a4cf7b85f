"""Prompts of unequal length as tensors: padding, batches by length, and sizes that fit a device."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TypeVar

import torch
from torch import Tensor

from tvsight.errors import ShortOfMemory
from tvsight.interventions.decoder import Decoder

MAX_PADDING = 0.1
"""Share of a batch's positions that may be padding."""
SHORT_PADDING = 0.25
"""The same for zero-shot prompts before they are patched: they are a small part of the work, and
the sweep that follows runs faster on few large batches. All padding of a task together stays below
a tenth, as a test of the paper's tasks says."""
CPU_TOKENS = 2048
"""Positions in one forward on a CPU: enough to use its arithmetic fully."""
CPU_ROWS = 128
GPU_ROWS = 1024
"""Rows in one forward of a single token. Rows of several layers that share a forward all pay for
the lowest layer, so on a CPU few do: enough rows to multiply matrices well. On a GPU many do,
because a forward costs its launches."""
GPU_SHARE = 0.4
"""Share of a GPU's free memory that one forward may take."""
ANSWER_ROWS = 1024
"""Rows that are unembedded together: many, because all weights of the unembedding are streamed each
time."""
CPU_LOGIT_BYTES = 1 << 24
GPU_LOGIT_BYTES = 1 << 28
"""Memory for the logits that exist at a time: on a CPU they stay in its cache while they are read,
on a GPU the product that makes them should be large."""

Result = TypeVar("Result")


def padded(prompts: Sequence[Sequence[int]], side: str) -> tuple[Tensor, Tensor]:
    """Token ids and mask, both `[rows, tokens]`, padded on the `left` or the `right`."""
    width = max(map(len, prompts))
    ids = torch.zeros(len(prompts), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        if prompt:
            place = slice(width - len(prompt), width) if side == "left" else slice(len(prompt))
            ids[row, place] = torch.tensor(prompt)
            mask[row, place] = 1
    return ids, mask


def batches(
    lengths: Sequence[int], max_positions: int, max_padding: float = MAX_PADDING
) -> Iterator[list[int]]:
    """Row numbers in batches of similar length, long ones first.

    A batch holds at most `max_positions` positions (always at least one row), and at most a share
    of `max_padding` of them is padding. An empty row shares a batch with empty rows only:
    attention over padding alone has no meaning.
    """
    batch: list[int] = []
    tokens = 0
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        widest = lengths[batch[0]] if batch else lengths[row]
        positions = widest * (len(batch) + 1)
        padding = positions - tokens - lengths[row]
        too_empty = padding > max_padding * positions or lengths[row] == 0 < widest
        if batch and (positions > max_positions or too_empty):
            yield batch
            batch, tokens = [], 0
        batch.append(row)
        tokens += lengths[row]
    if batch:
        yield batch


def layer_groups(patches: Sequence[int], layers: Sequence[int], rows: int) -> Iterator[list[int]]:
    """Patches in groups of whole layers, each group closed once it holds `rows` patches."""
    group: list[int] = []
    ordered = sorted(patches, key=lambda patch: layers[patch])
    for _, of_layer in groupby(ordered, key=lambda patch: layers[patch]):
        group.extend(of_layer)
        if len(group) >= rows:
            yield group
            group = []
    if group:
        yield group


def position_budget(device: torch.device, depth: int, width: int, itemsize: int) -> int:
    """Positions that one forward may hold on a device."""
    if device.type != "cuda":
        return CPU_TOKENS
    free, _ = torch.cuda.mem_get_info(device)
    # Keys and values of every block, and about forty states of one block while it runs.
    per_position = (2 * depth + 40) * width * itemsize
    return max(CPU_TOKENS, int(GPU_SHARE * free / per_position))


def row_budget(device: torch.device) -> int:
    """Rows of single tokens that should share one forward on a device."""
    return GPU_ROWS if device.type == "cuda" else CPU_ROWS


def logit_tile(device: torch.device, rows: int, vocabulary: int, whole: bool) -> tuple[int, int]:
    """How many rows and tokens of the logits `[rows, vocabulary]` to make at a time.

    Args:
        whole: whether all tokens of a row can only be had together.
    """
    if whole:
        return max(1, GPU_LOGIT_BYTES // (4 * vocabulary)), vocabulary
    rows = min(rows, ANSWER_ROWS)
    size = GPU_LOGIT_BYTES if device.type == "cuda" else CPU_LOGIT_BYTES
    return rows, min(vocabulary, max(1, size // (4 * rows)))


def halving(
    run: Callable[[list[int]], Result], rows: list[int]
) -> Iterator[tuple[list[int], Result]]:
    """`run(rows)`, in halves again and again where it does not fit the GPU's memory.

    Raises:
        torch.OutOfMemoryError: when a single row does not fit.
    """
    try:
        result = run(rows)
    except torch.OutOfMemoryError:
        if len(rows) == 1:
            raise
    else:
        yield rows, result
        return
    torch.cuda.empty_cache()
    middle = len(rows) // 2
    told = f"{len(rows)} rows at once do not fit the memory: going on with {middle}"
    warnings.warn(told, ShortOfMemory, stacklevel=2)
    yield from halving(run, rows[:middle])
    yield from halving(run, rows[middle:])


def positions_per_forward(decoder: Decoder) -> int:
    """How many positions one forward of this model may hold where it runs."""
    return position_budget(decoder.device, decoder.depth, decoder.width, decoder.dtype.itemsize)
