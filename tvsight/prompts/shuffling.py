"""Episodes whose answers are permuted: the inputs and labels of a task without its mapping."""

import random
from collections import Counter
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
