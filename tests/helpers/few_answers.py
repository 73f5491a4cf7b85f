"""A task with three answers, which a random model gives at times."""

import random
import string

from tests.helpers.half_accepted import CHARACTERS
from tvsight.tasks import Pair, Task


def few_answers() -> Task:
    """Every letter has one of three answers, and a third of the other characters count too."""
    rng = random.Random(1)
    pairs = [
        Pair(x, tuple(dict.fromkeys(["XYZ"[number % 3], *rng.sample(CHARACTERS, 30)])))
        for number, x in enumerate(string.ascii_lowercase)
    ]
    return Task("few_answers", "custom", "", "exact", tuple(pairs), "")
