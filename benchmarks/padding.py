"""The share of padding in the forwards of a measurement, counted where prompts become tensors."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor

from tvsight.interventions import traces


@dataclass
class Padding:
    """Positions of all forwards that took prompts of unequal length.

    The single tokens of a patched forward are not among them: none of those is padding.
    """

    positions: int = 0
    tokens: int = 0
    """Those of the positions that hold a token."""

    @property
    def share(self) -> float:
        """Padding among all positions."""
        return 1 - self.tokens / self.positions


@contextmanager
def counted() -> Iterator[Padding]:
    """Counts the positions of everything that the engine runs inside."""
    found, original = Padding(), traces.padded

    def counting(prompts: Sequence[Sequence[int]], side: str) -> tuple[Tensor, Tensor]:
        ids, mask = original(prompts, side)
        found.positions += mask.numel()
        found.tokens += int(mask.sum())
        return ids, mask

    traces.padded = counting
    try:
        yield found
    finally:
        traces.padded = original
