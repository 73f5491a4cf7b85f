"""Episodes with other labels: permuted, which leaves a task no mapping, or renamed, another one."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tvsight.prompts.episodes import Episode


def shuffled_labels(episode: Episode, seed: str) -> Episode:
    """The episode with its answers permuted among its demonstrations.

    As few demonstrations as possible keep their own answer: none, unless more than half of them
    have the same one. Query and dummy queries stay.

    Args:
        seed: names this draw; the same one gives the same permutation.
    """
    places = list(range(len(episode.demonstrations)))
    random.Random(f"{seed}/shuffled labels").shuffle(places)
    answers = [answer for _, answer in episode.demonstrations]
    # Those of one answer side by side: a step of the largest group's size leaves every group.
    groups = list(dict.fromkeys(answers[index] for index in places))
    places.sort(key=lambda index: groups.index(answers[index]))
    step = max(Counter(answers).values(), default=0)
    permuted = {
        index: answers[places[(number + step) % len(places)]] for number, index in enumerate(places)
    }
    shown = tuple((given, permuted[n]) for n, (given, _) in enumerate(episode.demonstrations))
    return replace(episode, demonstrations=shown)


def kept_labels(before: Episode, after: Episode) -> int:
    """Number of demonstrations that have the same answer in two versions of an episode."""
    pairs = zip(before.demonstrations, after.demonstrations, strict=True)
    return sum(one == other for one, other in pairs)


def renaming(answers: Iterable[str], seed: str) -> dict[str, str]:
    """Another answer for each: the next one of a random order, which closes.

    Args:
        seed: names this draw.
    """
    order = sorted(set(answers))
    random.Random(f"{seed}/renamed labels").shuffle(order)
    return dict(zip(order, [*order[1:], *order[:1]], strict=True))


def renamed_labels(episode: Episode, names: Mapping[str, str]) -> Episode:
    """The episode with every answer renamed: of its demonstrations, and the query's usual one.

    Args:
        names: from `renaming`, of all these answers.
    """
    shown = tuple((given, names[answer]) for given, answer in episode.demonstrations)
    return replace(episode, demonstrations=shown, accepted=(names[episode.accepted[0]],))


def showing(episode: Episode, pool: Sequence[tuple[str, str]], shown: bool, seed: str) -> Episode:
    """The episode with demonstrations that show the query's answer, or do not.

    As few as possible are replaced: one, or all that show it. Where `pool` has too few others,
    the episode stays as it is.

    Args:
        pool: pairs that may be shown.
        shown: whether they show it.
        seed: names this draw.
    """
    own, rng = episode.accepted[0], random.Random(f"{seed}/{'shown' if shown else 'absent'}")
    places = [n for n, (_, answer) in enumerate(episode.demonstrations) if answer == own]
    if shown:
        places = [] if places else [rng.randrange(len(episode.demonstrations))]
    others = [pair for pair in pool if (pair[1] == own) == shown and not episode.contains(pair[0])]
    if len(others) < len(places):
        return episode
    replaced = dict(zip(places, rng.sample(others, len(places)), strict=True))
    pairs = enumerate(episode.demonstrations)
    return replace(episode, demonstrations=tuple(replaced.get(n, pair) for n, pair in pairs))


def share_shown(episode: Episode) -> float:
    """The share of demonstrations that have the query's usual answer."""
    answers = [answer for _, answer in episode.demonstrations]
    return answers.count(episode.accepted[0]) / len(answers)
