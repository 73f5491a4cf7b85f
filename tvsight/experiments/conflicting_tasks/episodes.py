"""Conflicting episodes: demonstrations of one task, a vector of another (section 4 of the paper).

Both tasks know the query and answer it differently, so that one prediction says which of the two
was followed.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tvsight.errors import UsageError
from tvsight.prompts.episodes import SPLITS, Episode, check_enough_pairs
from tvsight.prompts.filtering import UsablePairs, cut_answers
from tvsight.prompts.templates import Template
from tvsight.prompts.tokens import accepted_tokens
from tvsight.tasks import Pair, Task

if TYPE_CHECKING:
    from tvsight.models.loading import Model

PAPER_PAIRS = (
    "next_letter:to_upper",
    "list_last:list_first",
    "prev_letter:next_letter",
    "present_simple_past_simple:present_simple_gerund",
    "en_es:en_fr",
)
"""The paper's five: the demonstrated task, and the one whose vector is patched."""
MIN_QUERIES = 20
"""Fewer queries than this make no measurement: dev and test get half of them each."""
ARROW = "→"
"""Between the demonstrated task and the patched one in the name of a pair. No task's own name has
it."""

Query = tuple[Pair, Pair]
"""One input as it stands in the prompts of the demonstrated task, and of the patched one."""


@dataclass(frozen=True)
class Conflict:
    """One query between two tasks; each part in its own task's spacing."""

    demonstrated: Episode
    """S and x of the prompt that is patched. Without dummy queries: its own θ is not read."""
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
    """Whether two tasks can conflict at all, whatever the tokenizer.

    Raises:
        UsageError: when they share too few inputs that they answer differently, or have too few
            pairs for an episode.
    """
    _check_enough_queries(
        demonstrated.name,
        patched.name,
        len(_shared(demonstrated.pairs, patched.pairs)),
        "inputs of both tasks that they answer differently",
    )
    check_enough_pairs(demonstrated.name, len(demonstrated.pairs), shots, 0)
    check_enough_pairs(patched.name, len(patched.pairs), shots, dummy_queries)


def conflicting_queries(
    tasks: tuple[Task, Task],
    usable: tuple[UsablePairs, UsablePairs],
    model: "Model",
    template: Template,
) -> list[Query]:
    """The inputs that both tasks can ask under a tokenizer, and no token answers for both.

    Inputs are the same when they are after their spaces are stripped, since each task sets off
    words in its own way.

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
            set(accepted_tokens(model, answers, of_pair, task.match))
            for (_, answers), of_pair in zip(asked, cut, strict=True)
        ]

    demonstrated, patched = tasks
    both = _shared(usable[0].pairs, usable[1].pairs)
    ours = accepted((one for one, _ in both), demonstrated)
    theirs = accepted((other for _, other in both), patched)
    found = [
        query for query, one, other in zip(both, ours, theirs, strict=True) if one.isdisjoint(other)
    ]
    what = "inputs have an answer of one token in both tasks, and not the same"
    _check_enough_queries(demonstrated.name, patched.name, len(found), what)
    return found


def sample_conflicts(
    tasks: tuple[str, str],
    usable: tuple[UsablePairs, UsablePairs],
    queries: Sequence[Query],
    shots: int,
    dummy_queries: int,
    per_split: int,
    seed: int,
) -> list[Conflict]:
    """Dev episodes, then test episodes, of one pair of tasks.

    As in `sample_episodes`: dev and test queries come from two halves, are used equally often as
    far as that can be, and the draw depends on names, pairs and the seed only. Demonstrations and
    dummy queries of each task are drawn from all of its own pairs but the query's.

    Raises:
        UsageError: when a task has too few pairs for an episode.
    """
    name = pair_name(*tasks)
    # A text seed is hashed by SHA-512 inside `random`, independent of PYTHONHASHSEED.
    shuffled = random.Random(f"{seed}/{name}/halves").sample(queries, len(queries))
    halves = {"dev": shuffled[: len(queries) // 2], "test": shuffled[len(queries) // 2 :]}
    conflicts = []
    for split in SPLITS:
        for index in range(per_split):
            query = halves[split][index % len(halves[split])]
            episodes = []
            for side, count in enumerate((0, dummy_queries)):
                others = _drawn(
                    random.Random(f"{seed}/{name}/{split}/{index}/{tasks[side]}"),
                    tasks[side],
                    [p for p in usable[side].pairs if _bare(p) != _bare(query[side])],
                    shots,
                    count,
                )
                episodes.append(
                    Episode(
                        task=tasks[side],
                        split=split,
                        demonstrations=tuple((p.input, p.answer) for p in others[:shots]),
                        query=query[side].input,
                        accepted=query[side].answers,
                        dummy_queries=tuple(p.input for p in others[shots:]),
                    )
                )
            conflicts.append(Conflict(*episodes))
    return conflicts


def _shared(demonstrated: Sequence[Pair], patched: Sequence[Pair]) -> list[Query]:
    """Pairs of two tasks with the same input and no accepted answer in common."""
    # Of several spellings of one input the first counts.
    ours = {_bare(pair): pair for pair in reversed(demonstrated)}
    theirs = {_bare(pair): pair for pair in reversed(patched)}
    both = [(ours[word], theirs[word]) for word in reversed(ours) if word in theirs]
    return [(one, other) for one, other in both if _answers(one).isdisjoint(_answers(other))]


def _drawn(
    rng: random.Random, task: str, candidates: Sequence[Pair], shots: int, dummy_queries: int
) -> list[Pair]:
    check_enough_pairs(task, len(candidates) + 1, shots, dummy_queries)
    return rng.sample(candidates, shots + dummy_queries)


def _bare(pair: Pair) -> str:
    return pair.input.strip()


def _answers(pair: Pair) -> set[str]:
    return {answer.strip() for answer in pair.answers}


def _check_enough_queries(demonstrated: str, patched: str, found: int, what: str) -> None:
    if found < MIN_QUERIES:
        raise UsageError(
            f"The pair {demonstrated}:{patched}: {found} {what}; at least {MIN_QUERIES} are "
            "needed, half for dev and half for test. `python -m analyses.tasks` lists the tasks."
        )
