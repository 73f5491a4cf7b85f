"""Conflicting episodes: demonstrations of one task, a vector of another (section 4 of the paper).

Both tasks have the query and answer it differently, so that one prediction says which of the two
the model followed.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tvsight.errors import UsageError
from tvsight.prompts.episodes import SPLITS, Episode, Sampling, Split, check_enough_pairs
from tvsight.prompts.filtering import UsablePairs, cut_answers
from tvsight.prompts.templates import Template
from tvsight.prompts.tokens import accepted_tokens
from tvsight.tasks import Pair, Task
from tvsight.tasks.task import ARROW

if TYPE_CHECKING:
    from tvsight.models.loading import Model

MIN_QUERIES = 20
"""The fewest queries of a pair of tasks: dev and test get half of them each."""

Query = tuple[Pair, Pair]
"""One input, as it stands in the prompts of the demonstrated task and of the patched one."""


@dataclass(frozen=True)
class Conflict:
    """One query between two tasks; each episode is in its own task's spacing."""

    demonstrated: Episode
    """S and x of the prompt that is patched. It has no dummy queries: its own θ is not read."""
    patched: Episode
    """The demonstrations and dummy queries whose θ is patched in, and the zero-shot prompt x."""


def pair_name(demonstrated: str, patched: str) -> str:
    """The name of a pair of tasks, in the column `task` of its rows."""
    return f"{demonstrated}{ARROW}{patched}"


def tasks_of(name: str) -> tuple[str, str]:
    """The demonstrated and the patched task of a pair."""
    demonstrated, _, patched = name.partition(ARROW)
    return demonstrated, patched


def check_conflict(demonstrated: Task, patched: Task, shots: int, dummy_queries: int) -> None:
    """Check that two tasks can conflict at all, whatever the tokenizer.

    Raises:
        UsageError: when they share too few inputs that they answer differently, or have too few
            pairs for an episode.
    """
    shared = _shared(demonstrated.pairs, patched.pairs)
    what = "inputs of both tasks that they answer differently"
    _check_enough_queries(demonstrated.name, patched.name, len(shared), what)
    check_enough_pairs(demonstrated.name, len(demonstrated.pairs), shots, 0)
    check_enough_pairs(patched.name, len(patched.pairs), shots, dummy_queries)


def conflicting_queries(
    tasks: tuple[Task, Task],
    usable: tuple[UsablePairs, UsablePairs],
    model: "Model",
    template: Template,
) -> list[Query]:
    """The inputs that both tasks can ask under a tokenizer, and no token answers for both.

    Inputs are compared without the spaces around them, since each task sets off words in its own
    way.

    Args:
        tasks: the demonstrated and the patched one.
        usable: their pairs, from `usable_pairs`.

    Raises:
        UsageError: when fewer than `MIN_QUERIES` are left.
    """

    def accepted(pairs: Iterable[Pair], task: Task) -> list[set[int]]:
        asked = [(pair.input, pair.answers) for pair in pairs]
        cut = cut_answers(model.tokenizer, asked, template)
        return [
            set(accepted_tokens(model, answers, pair_tokens, task.match))
            for (_, answers), pair_tokens in zip(asked, cut, strict=True)
        ]

    demonstrated, patched = tasks
    both = _shared(usable[0].pairs, usable[1].pairs)
    ours = accepted((one for one, _ in both), demonstrated)
    theirs = accepted((other for _, other in both), patched)
    queries = [
        query for query, one, other in zip(both, ours, theirs, strict=True) if one.isdisjoint(other)
    ]
    what = "inputs have an answer of one token in both tasks, and not the same"
    _check_enough_queries(demonstrated.name, patched.name, len(queries), what)
    return queries


def sample_conflicts(
    tasks: tuple[str, str],
    usable: tuple[UsablePairs, UsablePairs],
    queries: Sequence[Query],
    sampling: Sampling,
) -> list[Conflict]:
    """Dev episodes, then test episodes, of one pair of tasks.

    As in `sample_episodes`: dev and test queries come from two halves, are used equally often as
    far as that can be, and the draw depends on names, pairs and the seed only. Demonstrations and
    dummy queries of each task are drawn from all of its own pairs but the query's.

    Raises:
        UsageError: when a task has too few pairs for an episode.
    """
    seed, shots = f"{sampling.seed}/{pair_name(*tasks)}", sampling.shots
    # A text seed is hashed by SHA-512 inside `random`, independent of PYTHONHASHSEED.
    shuffled = random.Random(f"{seed}/halves").sample(queries, len(queries))
    halves = {"dev": shuffled[: len(queries) // 2], "test": shuffled[len(queries) // 2 :]}

    def episode(side: int, split: Split, index: int, dummy_queries: int) -> Episode:
        task = tasks[side]
        query = halves[split][index % len(halves[split])][side]
        candidates = [pair for pair in usable[side].pairs if _bare(pair) != _bare(query)]
        check_enough_pairs(task, len(candidates) + 1, shots, dummy_queries)
        rng = random.Random(f"{seed}/{split}/{index}/{task}")
        others = rng.sample(candidates, shots + dummy_queries)
        return Episode(
            task=task,
            split=split,
            demonstrations=tuple((pair.input, pair.answer) for pair in others[:shots]),
            query=query.input,
            accepted=query.answers,
            dummy_queries=tuple(pair.input for pair in others[shots:]),
        )

    return [
        Conflict(episode(0, split, index, 0), episode(1, split, index, sampling.dummy_queries))
        for split in SPLITS
        for index in range(sampling.per_split)
    ]


def _shared(demonstrated: Sequence[Pair], patched: Sequence[Pair]) -> list[Query]:
    """Pairs of two tasks with the same input and no accepted answer in common."""
    # Of several spellings of one input the first counts.
    ours = {_bare(pair): pair for pair in reversed(demonstrated)}
    theirs = {_bare(pair): pair for pair in reversed(patched)}
    both = [(ours[word], theirs[word]) for word in reversed(ours) if word in theirs]
    return [(one, other) for one, other in both if _answers(one).isdisjoint(_answers(other))]


def _bare(pair: Pair) -> str:
    return pair.input.strip()


def _answers(pair: Pair) -> set[str]:
    return {answer.strip() for answer in pair.answers}


def _check_enough_queries(demonstrated: str, patched: str, count: int, what: str) -> None:
    if count < MIN_QUERIES:
        raise UsageError(
            f"The pair {demonstrated}:{patched}: {count} {what}; at least {MIN_QUERIES} are "
            "needed, half for dev and half for test. `python -m analyses.tasks` lists the tasks."
        )
