"""Whole answers: tokens after a prompt, generated or given, with its last token patched.

The vector is applied once. Later tokens feel it through the keys and values of the patched token,
which the cache carries. A row costs one token per step, and leaves its batch when it ends.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple, TypedDict, TypeVar

import torch
from torch import Tensor

from tvsight.errors import unexpected
from tvsight.interventions.answers import Answers, answers
from tvsight.interventions.application import CachedPrompts, in_batches
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.prefixes import Prefixes
from tvsight.interventions.traces import TokenIds, continue_prefixes

ENDED = -1
"""Stands for a token after the end of a row."""

Result = TypeVar("Result")
Follow = Callable[[int, list[int], Tensor], list[int | None]]
"""Takes the number of a step, the places of the rows that still run, and their states after the
last block, `[rows, width]`. Returns the next token of each; None ends a row."""


class Patches(NamedTuple):
    """Rows that continue cached prompts. Row i continues prompt `prompts[i]`, where the state of
    the last token after block `layers[i]` is replaced by `vectors[i]`."""

    prompts: Sequence[int]
    layers: Sequence[int | None]
    """None: nothing is replaced."""
    vectors: Tensor
    """`[rows, width]`, finite; those of unpatched rows are not used."""
    added: Sequence[bool] | None = None
    """Whether each vector is added to the state instead. None: each replaces it."""
    every: bool = False
    """Patch every generated token too, not only the last token of the prompt."""


class Forced(TypedDict):
    """Given answers, read token by token."""

    first: Answers
    """The answers read at the prompt's last token, where the first token of the given answer is
    expected. Every value `[rows]`."""
    states: Tensor
    """The states they were read from, `[rows, width]`, on the device of the last block."""
    answer_log_probability: Tensor
    """The natural logarithm of the probability of the whole given answer, `[rows]`."""


def generate(
    decoder: Decoder, prompts: CachedPrompts, patches: Patches, most: int, stops: Collection[int]
) -> Tensor:
    """Generate tokens greedily after patched prompts.

    Args:
        most: the largest number of tokens of a row, at least 1.
        stops: tokens that end a row, of which they are the last.

    Returns:
        `[rows, most]`, on the CPU, with `ENDED` after the end of each row.

    Raises:
        UsageError: when there is no such prompt or block, or vectors have another shape or type.
        MeasurementError: when the vectors hold NaN or infinity.
    """

    def run(prefixes: Prefixes, tokens: list[int], rows: list[int]) -> Tensor:
        found = torch.full((len(rows), most), ENDED)

        def follow(step: int, places: list[int], states: Tensor) -> list[int | None]:
            read = answers(decoder, states, [0] * len(places))["token"]
            found[places, step] = read
            last = step + 1 == most
            return [None if last or token in stops else token for token in read.tolist()]

        _follow(decoder, prefixes, tokens, patches, rows, follow)
        return found

    generated = torch.full((len(patches.prompts), most), ENDED)
    for rows, found in _in_batches(decoder, prompts, patches, most, run):
        generated[rows] = found
    return generated


def force(
    decoder: Decoder,
    prompts: CachedPrompts,
    patches: Patches,
    given: Sequence[TokenIds],
    right: Sequence[TokenIds] | None = None,
) -> Forced:
    """Read the probability of given answers after patched prompts (teacher forcing).

    Args:
        given: the tokens of the answer of each row, at least one.
        right: the first tokens that are right, of each row, for the rank; that of the answer alone
            where it is left out.

    Returns:
        Every value but the states on the CPU.

    Raises:
        UsageError: when there is no such prompt or block, vectors have another shape or type, or an
            answer has no token.
        MeasurementError: when the vectors hold NaN or infinity.
    """
    if len(given) != len(patches.prompts) or not all(given):
        raise unexpected("given", "an answer of at least one token for each row", given)
    shape = (len(given), max(map(len, given)))
    token, rank = torch.zeros(2, *shape, dtype=torch.long)
    log_probability, margin = torch.zeros(2, *shape)
    known = {"token": token, "log_probability": log_probability, "margin": margin, "rank": rank}
    first_states = torch.empty_like(patches.vectors)

    def run(prefixes: Prefixes, tokens: list[int], rows: list[int]) -> None:
        def follow(step: int, places: list[int], states: Tensor) -> list[int | None]:
            own = [rows[place] for place in places]
            if step == 0:
                first_states[own] = states.to(first_states)
            expected = [given[row][step] for row in own]
            ranked = [right[row] for row in own] if right is not None and step == 0 else None
            for name, read in answers(decoder, states, expected, ranked).items():
                known[name][own, step] = read
            longer = [step + 1 < len(given[row]) for row in own]
            return [token if more else None for token, more in zip(expected, longer, strict=True)]

        _follow(decoder, prefixes, tokens, patches, rows, follow)

    for _ in _in_batches(decoder, prompts, patches, shape[1], run):
        pass
    first: Any = {name: of_steps[:, 0] for name, of_steps in known.items()}
    whole = log_probability.sum(dim=1)
    return {"first": first, "states": first_states, "answer_log_probability": whole}


def _in_batches(
    decoder: Decoder,
    prompts: CachedPrompts,
    patches: Patches,
    most: int,
    run: Callable[[Prefixes, list[int], list[int]], Result],
) -> Iterator[tuple[list[int], Result]]:
    """`in_batches` of rows that need not stay together, each with its own keys and values of every
    block, also those of up to `most` further tokens.

    Raises:
        UsageError: when there is no such block, or vectors have another shape or type.
        MeasurementError: when the vectors hold NaN or infinity.
    """
    rows = len(patches.prompts)
    decoder.block_numbers(layer for layer in patches.layers if layer is not None)
    decoder.check_vectors(patches.vectors, rows)
    if len(patches.layers) != rows:
        raise unexpected("layers", f"a block or None for each of {rows} rows", patches.layers)
    return in_batches(decoder, prompts, patches.prompts, range(rows), run, decoder.depth, most)


def _follow(
    decoder: Decoder,
    prefixes: Prefixes,
    tokens: list[int],
    patches: Patches,
    rows: list[int],
    follow: Follow,
) -> None:
    """Continue some rows token by token, the first of them patched, until all have ended."""
    prefixes = prefixes.growing()
    places = list(range(len(rows)))
    layers = [patches.layers[row] for row in rows]
    vectors = patches.vectors[rows]
    added = [patches.added is not None and patches.added[row] for row in rows]
    step = 0
    while places:
        states = continue_prefixes(decoder, prefixes, tokens, layers, vectors, added)
        following = follow(step, places, states)
        going = [row for row, token in enumerate(following) if token is not None]
        if 0 < len(going) < len(places):
            prefixes = prefixes.rows(going).growing()
            vectors = vectors[going]
            added = [added[row] for row in going]
        places = [places[row] for row in going]
        tokens = [token for token in following if token is not None]
        layers = [layers[row] if patches.every else None for row in going]
        step += 1
