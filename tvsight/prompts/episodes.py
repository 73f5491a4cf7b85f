"""Episodes: demonstrations with a query, sampled from a task by a seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tvsight.errors import UsageError
from tvsight.prompts.filtering import UsablePairs
from tvsight.tasks import Pair

Split = Literal["dev", "test"]
SPLITS: tuple[Split, ...] = ("dev", "test")


@dataclass(frozen=True)
class Episode:
    """Demonstrations S, a query x and dummy queries x' (section 2.1 of the paper).

    Every string goes into the template unchanged, leading spaces included.
    """

    task: str
    split: Split
    demonstrations: tuple[tuple[str, str], ...]
    query: str
    accepted: tuple[str, ...]
    dummy_queries: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """All inputs and answers."""
        shown = [word for pair in self.demonstrations for word in pair]
        return [*shown, self.query, *self.accepted, *self.dummy_queries]

    def contains(self, given: str) -> bool:
        """Whether an input is the query, a dummy query, or in a demonstration."""
        return (
            given == self.query
            or given in self.dummy_queries
            or any(given == x for x, _ in self.demonstrations)
        )


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """The numbers that sampling depends on, besides the pairs."""

    shots: int
    """Number of demonstrations in an episode."""
    dummy_queries: int
    """Number of dummy queries in an episode."""
    per_split: int
    """Number of episodes in a split."""
    seed: int


def sample_episodes(task: str, usable: UsablePairs, sampling: Sampling) -> list[Episode]:
    """Sample dev episodes, then test episodes, of one task.

    The pairs are halved once. Dev queries come from one half and test queries from the other, so
    the layer is never chosen on a test query. Queries are used as evenly as possible.
    Demonstrations and dummy queries are drawn without repetition from all pairs but the query's.
    The draw depends on the task's name, its pairs and the seed only: not on other tasks, the hash
    seed or the machine.

    Raises:
        UsageError: when a task has too few pairs for an episode.
    """
    pairs = usable.pairs
    shots, seed = sampling.shots, sampling.seed
    check_enough_pairs(task, len(pairs), shots, sampling.dummy_queries)
    # A text seed is hashed by SHA-512 inside `random`, independent of PYTHONHASHSEED.
    shuffled = random.Random(f"{seed}/{task}/halves").sample(pairs, len(pairs))
    halves = {"dev": shuffled[: len(pairs) // 2], "test": shuffled[len(pairs) // 2 :]}
    episodes = []
    for split in SPLITS:
        queries = halves[split]
        for index in range(sampling.per_split):
            rng = random.Random(f"{seed}/{task}/{split}/{index}")
            query = queries[index % len(queries)]
            others = _drawn(rng, pairs, query, shots + sampling.dummy_queries)
            episodes.append(
                Episode(
                    task=task,
                    split=split,
                    demonstrations=tuple((p.input, p.answer) for p in others[:shots]),
                    query=query.input,
                    accepted=query.answers,
                    dummy_queries=tuple(p.input for p in others[shots:]),
                )
            )
    return episodes


def check_enough_pairs(
    task: str, pairs: int, shots: int, dummy_queries: int, advice: str = "Lower --shots."
) -> None:
    """Check that a task has as many pairs as one episode takes.

    Raises:
        UsageError: when it has too few.
    """
    needed = shots + dummy_queries + 1
    if pairs < needed:
        raise UsageError(
            f"Task {task}: {shots} demonstrations, {dummy_queries} dummy queries and a query need "
            f"{needed} pairs; it has {pairs}. {advice}"
        )


def _drawn(rng: random.Random, pairs: Sequence[Pair], query: Pair, count: int) -> list[Pair]:
    """`count` different pairs, none of them the query's."""
    drawn = rng.sample(pairs, count + 1)
    return [pair for pair in drawn if pair.input != query.input][:count]
