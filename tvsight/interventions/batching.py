"""Pad and batch prompts of unequal length, in sizes that fit a device."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TypeVar

import torch
from torch import Tensor

from tvsight.errors import ShortOfMemory
from tvsight.interventions.decoder import Decoder

MAX_PADDING = 0.1
"""The largest share of padding among the positions of a batch."""
SHORT_PADDING = 0.25
"""The same for zero-shot prompts before they are patched. They are a small part of the work, and
the sweep that follows runs faster on few large batches. The padding of a whole task stays below a
tenth, which a test checks on the paper's tasks."""
CPU_TOKENS = 2048
"""Positions in one forward on a CPU, enough to use its arithmetic fully."""
CPU_ROWS = 128
GPU_ROWS = 1024
"""Rows in one forward of a single token. Rows of several layers that share a forward all run from
the lowest of these layers on. On a CPU few rows share one, just enough to multiply matrices well.
On a GPU many do, because each forward costs its launches."""
CACHED_POSITIONS = 128 * CPU_ROWS
"""Cached positions of the rows that share a forward, on a CPU or a GPU with little free memory. It
lowers the number of rows whose prompts are longer than 128 tokens, such as a paragraph."""
GPU_SHARE = 0.4
"""The share of a GPU's free memory for one forward."""
ANSWER_ROWS = 1024
"""Rows that are unembedded together. They are many, because each time all weights of the
unembedding are streamed."""
CPU_LOGIT_BYTES = 1 << 24
GPU_LOGIT_BYTES = 1 << 28
"""Memory for the logits that exist at one time. On a CPU they should stay in its cache while they
are read. On a GPU the product that makes them should be large."""

Result = TypeVar("Result")


def padded(prompts: Sequence[Sequence[int]], side: str) -> tuple[Tensor, Tensor]:
    """The token ids and mask of prompts, both `[rows, tokens]`, padded on the `left` or `right`."""
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
    """The numbers of rows in batches of similar length, long rows first.

    A batch has at least one row and, with more, at most `max_positions` positions, of which at most
    the share `max_padding` is padding. Empty rows share no batch with others, because attention
    over padding alone has no meaning.
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
    """The patches in groups of whole layers. A group ends once it has `rows` patches."""
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
    """The number of positions in one forward on a device."""
    if device.type != "cuda":
        return CPU_TOKENS
    free, _ = torch.cuda.mem_get_info(device)
    # A position takes keys and values of every block, and about forty states of the running block.
    per_position = (2 * depth + 40) * width * itemsize
    return max(CPU_TOKENS, int(GPU_SHARE * free / per_position))


def row_budget(device: torch.device, length: int, positions: int) -> int:
    """The number of rows of single tokens that should share one forward on a device.

    Args:
        length: number of cached tokens before each of them, which are copied for every row.
        positions: in one forward, from `position_budget`.
    """
    rows = GPU_ROWS if device.type == "cuda" else CPU_ROWS
    return max(1, min(rows, max(CACHED_POSITIONS, positions) // max(1, length)))


def logit_tile(device: torch.device, rows: int, vocabulary: int, whole: bool) -> tuple[int, int]:
    """The numbers of rows and of tokens of the logits `[rows, vocabulary]` to compute at a time.

    Args:
        whole: whether the unembedding can only compute all tokens of a row together.
    """
    if whole:
        return max(1, GPU_LOGIT_BYTES // (4 * vocabulary)), vocabulary
    rows = min(rows, ANSWER_ROWS)
    size = GPU_LOGIT_BYTES if device.type == "cuda" else CPU_LOGIT_BYTES
    return rows, min(vocabulary, max(1, size // (4 * rows)))


def halving(
    run: Callable[[list[int]], Result], rows: list[int]
) -> Iterator[tuple[list[int], Result]]:
    """Call `run(rows)`, and halve `rows` again and again while they do not fit the GPU's memory.

    Yields:
        Some of the rows, and the result for them.

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
    """The number of positions in one forward of this model on its device."""
    return position_budget(decoder.device, decoder.depth, decoder.width, decoder.dtype.itemsize)


def rows_per_forward(decoder: Decoder, length: int) -> int:
    """The number of single tokens in one forward of this model, each after `length` cached ones."""
    return row_budget(decoder.device, length, positions_per_forward(decoder))
