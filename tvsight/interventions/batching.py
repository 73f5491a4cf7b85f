"""Pad and batch prompts of unequal length, in sizes that fit a device."""

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
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
GPU_PADDING = 0.5
"""The same for the few tokens that continue cached prompts, on a GPU, where a forward of few
positions costs as much as one of many."""
CPU_TOKENS = 2048
"""Positions in one forward on a CPU, enough to use its arithmetic fully."""
CPU_ROWS = 128
GPU_ROWS = 1024
"""Rows in one forward of a single token. Rows of several layers that share a forward all run from
the lowest of these layers on. On a CPU few rows share one, just enough to multiply matrices well.
On a GPU many do, because each forward costs its launches."""
CACHED_POSITIONS = 128 * CPU_ROWS
"""Cached positions of the rows that share a forward on a CPU. It lowers the number of rows whose
prompts are longer than 128 tokens, such as a paragraph."""
GPU_SHARE = 0.4
"""The share of a GPU's free memory for one forward, by the sizes below."""
RUNNING = 40
"""States of one position that exist while a block runs, in widths of the residual stream: those of
the norms, the attention and the feed-forward part."""
ANSWER_ROWS = 1024
"""Rows that are unembedded together. They are many, because each time all weights of the
unembedding are streamed."""
CPU_LOGIT_BYTES = 1 << 24
GPU_LOGIT_BYTES = 1 << 28
"""Memory for the logits that exist at one time. On a CPU they should stay in its cache while they
are read. On a GPU the product that makes them should be large, unless memory is short."""
LOGIT_COPIES = 4
"""Tensors of the size of a tile of logits that exist while it is read."""

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


def layer_groups(
    patches: Sequence[int], layers: Sequence[int], rows: int, most: int = sys.maxsize
) -> Iterator[list[int]]:
    """The patches in groups of whole layers. A group ends once it has `rows` patches, and is cut
    where it has more than `most`."""
    group: list[int] = []
    ordered = sorted(patches, key=lambda patch: layers[patch])
    for _, of_layer in groupby(ordered, key=lambda patch: layers[patch]):
        group.extend(of_layer)
        if len(group) >= rows:
            yield from _cut(group, most)
            group = []
    if group:
        yield from _cut(group, most)


def _cut(group: list[int], most: int) -> Iterator[list[int]]:
    for start in range(0, len(group), most):
        yield group[start : start + most]


def free_memory(device: torch.device) -> int:
    """The bytes of a GPU that new tensors can take. torch keeps the memory of tensors that are gone
    for later ones, so the driver does not count it as free."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def positions_per_forward(decoder: Decoder) -> int:
    """The number of positions in one forward of a model on its device. Each takes the keys and
    values of every block, and the states of the running one."""
    if decoder.device.type != "cuda":
        return CPU_TOKENS
    size = (2 * decoder.depth + RUNNING) * decoder.width * decoder.dtype.itemsize
    return _fitting(decoder.device, size)


def rows_per_forward(decoder: Decoder, length: int) -> int:
    """The number of rows of single tokens that should share one forward of a model.

    Args:
        length: number of cached tokens before each of them, which are copied for every row.
    """
    if decoder.device.type == "cuda":
        return GPU_ROWS
    return max(1, min(CPU_ROWS, CACHED_POSITIONS // max(1, length)))


def most_rows(decoder: Decoder, length: int, blocks: int) -> int:
    """The largest number of rows of single tokens that fit one forward on a GPU.

    Args:
        length: number of cached tokens of each row, and of those that it will have.
        blocks: number of blocks whose keys and values a row holds at one time. Those of the running
            block exist twice, as where fewer key heads than heads are repeated.
    """
    if decoder.device.type != "cuda":
        return sys.maxsize
    row = 2 * (blocks + 1) * length + decoder.depth + RUNNING
    return _fitting(decoder.device, row * decoder.width * decoder.dtype.itemsize)


def _fitting(device: torch.device, size: int) -> int:
    """How many things of `size` bytes, at least one, fit the share of a forward."""
    return max(1, int(GPU_SHARE * free_memory(device) / size))


def logit_tile(device: torch.device, rows: int, vocabulary: int, whole: bool) -> tuple[int, int]:
    """The numbers of rows and of tokens of the logits `[rows, vocabulary]` to compute at a time.

    Args:
        whole: whether the unembedding can only compute all tokens of a row together.
    """
    size = GPU_LOGIT_BYTES
    if device.type == "cuda":
        size = min(size, _fitting(device, LOGIT_COPIES))
    elif not whole:
        size = CPU_LOGIT_BYTES
    if whole:
        return max(1, size // (4 * vocabulary)), vocabulary
    rows = min(rows, ANSWER_ROWS)
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


def in_order(parts: Iterable[tuple[list[int], Iterable[Result]]], count: int) -> list[Result]:
    """What was read of some rows at a time, in the order of the rows.

    Args:
        parts: numbers of rows, and what was read of each.
        count: number of rows.
    """
    read = {row: of for rows, values in parts for row, of in zip(rows, values, strict=True)}
    return [read[row] for row in range(count)]


def continuation_padding(device: torch.device) -> float:
    """The largest share of padding in a batch of continuations of cached prompts."""
    return GPU_PADDING if device.type == "cuda" else MAX_PADDING
