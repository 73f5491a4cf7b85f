"""Conditions: the vectors that are applied to prompts, and the answers under each. It travels."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple, TypedDict, TypeVar

import torch
from torch import Tensor

from tvsight.interventions.answers import Answers, Icl, answers, mapped, part, right_tokens, scores
from tvsight.interventions.application import apply_vectors, cache_prompts, unpatched_states
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.generation import Patches
from tvsight.methods.method import Use

Progress = Callable[[str], None]
"""Called with the name of each phase of a job."""
Item = TypeVar("Item", bound=Hashable)


class Condition(NamedTuple):
    """A vector for each prompt, applied at its last token after each of some blocks."""

    procedure: str
    vectors: Tensor | None = None
    """`[episodes, depth, width]`, or a shape that expands to it. Where the first dimension is 1 or
    missing, the vector is the same for all episodes, and is applied once per distinct prompt.
    None: no vector."""
    blocks: Sequence[int] = ()
    use: Use = "overwrite"
    labels: Mapping[str, Any] = {}
    """Further columns of its rows."""

    def applied(self, states: Tensor) -> Tensor:
        """What takes the place of the residual stream, `[prompts, blocks, width]`.

        Args:
            states: of the prompts that it is applied to, `[prompts, depth, width]`.
        """
        before = states[:, list(self.blocks)]
        if self.vectors is None:
            return before
        vectors = self.vectors.expand(states.shape)[:, list(self.blocks)].to(states)
        return vectors if self.use == "overwrite" else before + vectors

    def read(self, answers: Answers) -> "Read":
        """The answers under it, with what identifies their rows.

        Args:
            answers: every value `[episodes, blocks]`; one block where no vector is applied.
        """
        blocks = None if self.vectors is None else list(self.blocks)
        own = at(answers, 0) if blocks is None else answers
        return Read(procedure=self.procedure, blocks=blocks, labels=dict(self.labels), answers=own)

    def labelled(self, **labels: Any) -> "Condition":
        """The same with further columns, where it does not have them itself."""
        return self._replace(labels={**labels, **self.labels})


class Read(TypedDict):
    """The answers under one condition, and what identifies their rows."""

    procedure: str
    blocks: list[int] | None
    """None where no vector was applied."""
    labels: dict[str, Any]
    answers: Answers
    """Every value `[episodes, blocks]`; `[episodes]` where no vector was applied."""


BASELINE = Condition("baseline")


def no_op(blocks: Sequence[int], **labels: Any) -> Condition:
    """A prompt's own state, written back."""
    return Condition("no_op", torch.zeros(1), blocks, "add", labels)


class Prompts:
    """The prompts of some episodes. Each distinct one is run once, up to its last token.

    Args:
        expected: the token whose probability is read, per episode.
        icl: in-context learning on the episodes; None: no scores that need it, and the rank is that
            of the expected token alone.
    """

    def __init__(
        self,
        decoder: Decoder,
        prompts: Sequence[Sequence[int]],
        expected: Sequence[int],
        icl: Icl | None = None,
    ) -> None:
        self.decoder, self.icl, self.expected = decoder, icl, expected
        asked = zip(map(tuple, prompts), expected, map(tuple, self._right()), strict=True)
        items, self.index = distinct(list(asked))
        self.cached = cache_prompts(decoder, [prompt for prompt, *_ in items])
        self.own = unpatched_states(decoder, self.cached)
        """The states after every block, `[distinct prompts, depth, width]`."""

    def read(self, conditions: Sequence[Condition]) -> list[Read]:
        """The answers under each condition. All are patched in one run, and unembedded in one."""
        return self.answers(conditions, self.states(conditions))

    def scored_as(self, icl: Icl) -> "Prompts":
        """The same prompts, scored by the answers of another task.

        Args:
            icl: in-context learning of that task on the same queries.
        """
        other = copy(self)
        other.expected, other.icl = icl.expected, icl
        return other

    def states(self, conditions: Sequence[Condition]) -> list[Tensor]:
        """The states after the last block under each condition, `[its prompts, blocks, width]`."""
        patched = [
            (condition, self._prompts(condition))
            for condition in conditions
            if condition.vectors is not None
        ]
        patched_states = iter(())
        if patched:
            prompts = [n for condition, rows in patched for n in rows for _ in condition.blocks]
            blocks = [
                block for condition, rows in patched for _ in rows for block in condition.blocks
            ]
            placed = [
                condition.applied(self.own[list(rows)]).flatten(0, 1) for condition, rows in patched
            ]
            final = apply_vectors(self.decoder, self.cached, prompts, blocks, torch.cat(placed))
            patched_states = iter(final.split([len(vectors) for vectors in placed]))
        return [
            self.own[:, [-1]]
            if condition.vectors is None
            else next(patched_states).unflatten(0, (-1, len(condition.blocks)))
            for condition in conditions
        ]

    def answers(self, conditions: Sequence[Condition], states: Sequence[Tensor]) -> list[Read]:
        """The answers from the states of some conditions.

        Args:
            states: from `states`.
        """
        wanted = zip(self.expected, self._right(), strict=True)
        by_prompt = dict(zip(self.index, wanted, strict=True))
        groups = []
        for condition, final in zip(conditions, states, strict=True):
            of_rows = [by_prompt[prompt] for prompt in self._prompts(condition)]
            tokens, right = zip(*of_rows, strict=True)
            groups.append((final, tokens, right))
        read_conditions: list[Read] = []
        reads = read_together(self.decoder, groups)
        for condition, final, read in zip(conditions, states, reads, strict=True):
            if self._is_shared(condition):
                read, final = at(read, self.index, 0), final[self.index]
            if self.icl is not None:
                read |= scores(self.decoder, final, self.expected, self.icl)
            read_conditions.append(condition.read(read))
        return read_conditions

    def patches(self, conditions: Sequence[Condition], every: bool = False) -> Patches:
        """Rows that continue the prompts: each condition, episode and block, in this order.

        Args:
            every: patch every generated token too.
        """
        states = self.own[self.index]
        rows: list[int] = []
        blocks: list[int | None] = []
        vectors, added = [], []
        for condition in conditions:
            own_blocks = condition.blocks if condition.vectors is not None else [None]
            rows += [row for row in self.index for _ in own_blocks]
            blocks += [*own_blocks] * len(self.index)
            added += [condition.use == "add"] * (len(self.index) * len(own_blocks))
            if condition.vectors is None:
                vectors.append(torch.zeros_like(states[:, 0]))
            else:
                chosen = condition.vectors.expand(states.shape)[:, list(condition.blocks)]
                vectors.append(chosen.to(states).flatten(0, 1))
        return Patches(rows, blocks, torch.cat(vectors), added, every)

    def _right(self) -> list[list[int]]:
        accepted = self.icl.accepted if self.icl is not None else [()] * len(self.expected)
        return right_tokens(self.expected, accepted)

    def _is_shared(self, condition: Condition) -> bool:
        """Whether all episodes have the same vector."""
        vectors = condition.vectors
        return vectors is None or vectors.ndim < 3 or len(vectors) == 1

    def _prompts(self, condition: Condition) -> Sequence[int]:
        return range(len(self.own)) if self._is_shared(condition) else self.index


def read_states(decoder: Decoder, procedure: str, states: Tensor, icl: Icl, **labels: Any) -> Read:
    """The answers of prompts that ran without a vector.

    Args:
        states: after the last block, `[episodes, width]`.
        icl: in-context learning on the same episodes.
    """
    read = read_with_scores(decoder, states, icl)
    return Read(procedure=procedure, blocks=None, labels=labels, answers=read)


def read_with_scores(decoder: Decoder, states: Tensor, icl: Icl) -> Answers:
    """The answers and scores of states on the episodes of in-context learning.

    Args:
        states: `[episodes, ..., width]`.
    """
    right = right_tokens(icl.expected, icl.accepted)
    (read,) = read_together(decoder, [(states, icl.expected, right)])
    return read | scores(decoder, states, icl.expected, icl)


def read_together(
    decoder: Decoder, groups: Sequence[tuple[Tensor, Sequence[int], Sequence[Sequence[int]]]]
) -> list[Answers]:
    """Unembed several groups of states in one run.

    Args:
        groups: states `[rows, ..., width]`, the expected token of each row, and its right tokens.

    Returns:
        For each group its answers, every value `[rows, ...]`.
    """
    shapes = [states.shape[:-1] for states, *_ in groups]
    flat = torch.cat([states.flatten(0, -2) for states, *_ in groups])
    wanted = [
        of_row
        for shape, (_, *of_rows) in zip(shapes, groups, strict=True)
        for of_row in zip(*of_rows, strict=True)
        for _ in range(shape[1:].numel())
    ]
    expected, right = zip(*wanted, strict=True)
    read = answers(decoder, flat, expected, right)
    ends = torch.tensor([0, *(shape.numel() for shape in shapes)]).cumsum(0).tolist()
    return [
        part(read, slice(start, end), shape)
        for start, end, shape in zip(ends, ends[1:], shapes, strict=False)
    ]


def at(read: Answers, index: int | Tensor | Sequence[int], dimension: int = 1) -> Answers:
    """The answers at one place of a dimension, or in a new order along it."""

    def taken(values: Tensor) -> Tensor:
        if isinstance(index, int):
            return values.select(dimension, index)
        return values.index_select(dimension, torch.as_tensor(index))

    return mapped(read, taken)


def distinct(items: Sequence[Item]) -> tuple[list[Item], list[int]]:
    """Each item once, and the number of every given item among them."""
    numbers: dict[Item, int] = {}
    index = [numbers.setdefault(item, len(numbers)) for item in items]
    return list(numbers), index


def silent(phase: str) -> None:
    """No-op progress callback."""
