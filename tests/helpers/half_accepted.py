"""A task that a random model answers right at times."""

import random
import string

from tvsight.tasks import Pair, Task

CHARACTERS = string.ascii_letters + string.punctuation


def half_accepted() -> Task:
    """A task whose queries each accept half of the printable characters."""
    rng = random.Random(0)
    pairs = [
        Pair(x, tuple(dict.fromkeys([x.upper(), *rng.sample(CHARACTERS, 40)])))
        for x in string.ascii_lowercase
    ]
    return Task("half_accepted", "custom", "", "exact", tuple(pairs), "")
