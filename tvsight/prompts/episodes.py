"""Episodes: demonstrations with a query, sampled from a task by a seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tvsight.errors import UsageError, option
from tvsight.prompts.filtering import UsablePairs
from tvsight.tasks import Pair

Split = Literal["dev", "test"]
SPLITS: tuple[Split, ...] = ("dev", "test")
Division = Literal["halves", "todd"]


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
        return given in (self.query, *self.dummy_queries, *dict(self.demonstrations))


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
    division: Division = "halves"
    """Which pairs may be queries, and which may be shown; see `divided`."""


def sample_episodes(task: str, usable: UsablePairs, sampling: Sampling) -> list[Episode]:
    """Sample dev episodes, then test episodes, of one task.

    The pairs are divided once, so the layer is never chosen on a test query. Queries are used as
    evenly as possible. Demonstrations and dummy queries are drawn without repetition, never the
    query's pair. The draw depends on the task's name, its pairs and the seed only: not on other
    tasks, the hash seed or the machine.

    Raises:
        UsageError: when a task has too few pairs for an episode.
    """
    pairs = usable.pairs
    shots, seed = sampling.shots, sampling.seed
    # A text seed is hashed by SHA-512 inside `random`, independent of PYTHONHASHSEED.
    shuffled = random.Random(f"{seed}/{task}/halves").sample(pairs, len(pairs))
    queries_of, shown = divided(shuffled, sampling.division)
    advice = "" if sampling.division == "halves" else f"Use {option('division')} halves."
    check_enough_pairs(task, len(shown), shots, sampling.dummy_queries, advice)
    pool = pairs if sampling.division == "halves" else shown
    episodes = []
    for split in SPLITS:
        queries = queries_of[split]
        for index in range(sampling.per_split):
            rng = random.Random(f"{seed}/{task}/{split}/{index}")
            query = queries[index % len(queries)]
            others = _drawn(rng, pool, query, shots + sampling.dummy_queries)
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


def divided(
    shuffled: Sequence[Pair], division: Division
) -> tuple[dict[Split, Sequence[Pair]], Sequence[Pair]]:
    """The pairs that may be queries of each split, and those that may be shown.

    `halves`: dev queries are one half and test queries the other, and every pair may be shown.
    `todd`: 70 % are shown, 21 % are test queries and 9 % dev queries, as in Todd et al. (2024).
    """
    count = len(shuffled)
    if division == "halves":
        return {"dev": shuffled[: count // 2], "test": shuffled[count // 2 :]}, shuffled
    train, test = round(0.7 * count), round(0.91 * count)
    last = min(test, count - 1)
    return {"dev": shuffled[last:], "test": shuffled[train:last]}, shuffled[:train]


def check_enough_pairs(
    task: str, pairs: int, shots: int, dummy_queries: int, advice: str = ""
) -> None:
    """Check that a task has as many pairs as one episode takes.

    Raises:
        UsageError: when it has too few.
    """
    needed, lower = shots + dummy_queries + 1, f"Lower {option('shots')}."
    if pairs < needed:
        raise UsageError(
            f"Task {task}: {shots} demonstrations, {dummy_queries} dummy queries and a query need "
            f"{needed} pairs; it has {pairs}. {advice or lower}"
        )


def _drawn(rng: random.Random, pairs: Sequence[Pair], query: Pair, count: int) -> list[Pair]:
    """`count` different pairs, none of them the query's."""
    drawn = rng.sample(pairs, count + 1)
    return [pair for pair in drawn if pair.input != query.input][:count]
