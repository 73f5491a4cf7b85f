"""Episodes: what one measurement is asked about, sampled from a task by a seed."""

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
    """Demonstrations S, a query x, and dummy queries x' (section 2.1 of the paper).

    Every string is inserted into the template as it stands, leading spaces included.
    """

    task: str
    split: Split
    demonstrations: tuple[tuple[str, str], ...]
    query: str
    accepted: tuple[str, ...]
    dummy_queries: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """Every input and answer."""
        shown = [word for pair in self.demonstrations for word in pair]
        return [*shown, self.query, *self.accepted, *self.dummy_queries]

    def contains(self, given: str) -> bool:
        """Whether an input stands anywhere in the episode."""
        return (
            given == self.query
            or given in self.dummy_queries
            or any(given == x for x, _ in self.demonstrations)
        )


def sample_episodes(
    task: str, usable: UsablePairs, shots: int, dummy_queries: int, per_split: int, seed: int
) -> list[Episode]:
    """Dev episodes, then test episodes, of one task.

    The pairs are halved once; dev queries come from one half and test queries from the other, so
    that the layer is never chosen on a test query. Queries are used equally often as far as that
    can be. Demonstrations and dummy queries are drawn from all pairs but the query's, without
    repetition. The draw depends on the task's name and pairs and on the seed: on no other task,
    no hash seed, no machine.

    Raises:
        UsageError: when a task has too few pairs for an episode.
    """
    pairs = usable.pairs
    check_enough_pairs(task, len(pairs), shots, dummy_queries)
    # A text seed is hashed by SHA-512 inside `random`, independent of PYTHONHASHSEED.
    shuffled = random.Random(f"{seed}/{task}/halves").sample(pairs, len(pairs))
    halves = {"dev": shuffled[: len(pairs) // 2], "test": shuffled[len(pairs) // 2 :]}
    episodes = []
    for split in SPLITS:
        queries = halves[split]
        for index in range(per_split):
            rng = random.Random(f"{seed}/{task}/{split}/{index}")
            query = queries[index % len(queries)]
            others = _drawn(rng, pairs, query, shots + dummy_queries)
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


def check_enough_pairs(task: str, pairs: int, shots: int, dummy_queries: int) -> None:
    """Whether a task has the pairs that one episode takes.

    Raises:
        UsageError: when it has too few.
    """
    needed = shots + dummy_queries + 1
    if pairs < needed:
        raise UsageError(
            f"Task {task}: {shots} demonstrations, {dummy_queries} dummy queries and a query need "
            f"{needed} pairs; it has {pairs}. Lower --shots."
        )


def _drawn(rng: random.Random, pairs: Sequence[Pair], query: Pair, count: int) -> list[Pair]:
    """`count` different pairs, none of them the query's."""
    drawn = rng.sample(pairs, count + 1)
    return [pair for pair in drawn if pair.input != query.input][:count]
