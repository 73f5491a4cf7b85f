"""Patching, reading and choosing blocks, shared by experiments: torch only, so that it travels."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from tvsight.errors import MeasurementError
from tvsight.interventions.answers import Answers, Icl, answers, mapped, part, scores
from tvsight.interventions.application import CachedPrompts, apply_vectors
from tvsight.interventions.decoder import Decoder
from tvsight.models.precision import TIE

Progress = Callable[[str], None]
"""Called with the name of each phase of a job."""
Item = TypeVar("Item", bound=Hashable)


class Patch(NamedTuple):
    """Vectors for some prompts: row i is applied to prompt `prompts[i]`, after each of `layers`."""

    prompts: Sequence[int]
    layers: Sequence[int]
    vectors: Tensor
    """`[len(prompts), len(layers), width]`."""


def patch_together(
    decoder: Decoder, cached: CachedPrompts, patches: Mapping[str, Patch]
) -> dict[str, Tensor]:
    """Apply several groups of vectors in one run.

    Returns:
        For each group the states after the last block, `[prompts, layers, width]`.
    """
    groups = patches.values()
    prompts = [prompt for group in groups for prompt in group.prompts for _ in group.layers]
    layers = [layer for group in groups for _ in group.prompts for layer in group.layers]
    vectors = torch.cat([group.vectors.flatten(0, 1) for group in groups])
    states = apply_vectors(decoder, cached, prompts, layers, vectors)
    sizes = [len(group.prompts) * len(group.layers) for group in groups]
    return {
        name: of_group.view(patches[name].vectors.shape)
        for name, of_group in zip(patches, states.split(sizes), strict=True)
    }


def read_together(
    decoder: Decoder, groups: Mapping[str, tuple[Tensor, Sequence[int]]], icl: Icl | None = None
) -> dict[str, Answers]:
    """Unembed several groups of states in one run.

    Args:
        groups: states `[rows, ..., width]`, and the expected token of each row.
        icl: in-context learning on the rows of every group; None: no scores that need it.

    Returns:
        For each group its answers, every value `[rows, ...]`.
    """
    shapes = {name: states.shape[:-1] for name, (states, _) in groups.items()}
    flat = torch.cat([states.flatten(0, -2) for states, _ in groups.values()])
    expected = [
        token
        for name, (_, of_rows) in groups.items()
        for token in of_rows
        for _ in range(shapes[name][1:].numel())
    ]
    read = answers(decoder, flat, expected)
    found: dict[str, Answers] = {}
    start = 0
    for name, shape in shapes.items():
        own = slice(start, start + shape.numel())
        start = own.stop
        found[name] = part(read, own, shape)
        if icl is not None:
            found[name] |= scores(decoder, *groups[name], icl)
    return found


def at(read: Answers, index: int | Tensor | Sequence[int], dimension: int = 1) -> Answers:
    """The answers at one place of a dimension, or in a new order along it."""

    def taken(values: Tensor) -> Tensor:
        if isinstance(index, int):
            return values.select(dimension, index)
        return values.index_select(dimension, torch.as_tensor(index))

    return mapped(read, taken)


def best_layer(swept: Answers, accepted: Sequence[Sequence[int]]) -> int:
    """The block with the most correct answers; of several, the lowest.

    Args:
        swept: answers after every block, each value `[episodes, depth]`.
        accepted: tokens that count as correct, per episode.
    """
    correct = [
        sum(token in right for token, right in zip(block, accepted, strict=True))
        for block in swept["token"].T.tolist()
    ]
    return correct.index(max(correct))


def check_no_op(baseline: Answers, no_op: Answers, dtype: str) -> None:
    """Check that a prompt's own state, patched into it, changes no answer.

    Args:
        baseline: answers without a patch, each value `[episodes]`.
        no_op: answers with it.

    Raises:
        MeasurementError: when an answer changed that was not a tie.
    """
    decided = baseline["margin"] > TIE[dtype]
    changed = int(((baseline["token"] != no_op["token"]) & decided).sum())
    if changed:
        raise MeasurementError(
            f"a no-op patch changed {changed} of {len(decided)} answers: for this model, states "
            "are read or written at the wrong place."
        )


def distinct(items: Sequence[Item]) -> tuple[list[Item], list[int]]:
    """Each item once, and the number of every given item among them."""
    numbers: dict[Item, int] = {}
    index = [numbers.setdefault(item, len(numbers)) for item in items]
    return list(numbers), index


def silent(phase: str) -> None:
    """Progress that nobody hears."""
