import subprocess
import sys

import pytest

from tvsight.experiments.templates.foreign import foreign_queries, foreign_task
from tvsight.prompts import Episode
from tvsight.tasks import Pair, Task, packaged_tasks

EPISODES = [Episode("t", "dev", (("a", "b"),), f"{n}", ("x",), ("c",)) for n in range(40)]
SCRIPT = """
from tests.prompts.test_foreign import EPISODES, custom
from tvsight.prompts.foreign import foreign_queries, foreign_task
print(foreign_queries(custom(), foreign_task(custom()), EPISODES, 2, 0))
"""


def custom(*inputs: str) -> Task:
    return Task("mine", "custom", "", "exact", tuple(Pair(x, ("y",)) for x in inputs), "")


@pytest.mark.parametrize("name", packaged_tasks())
def test_the_other_task_is_of_another_category(name: str) -> None:
    task = packaged_tasks()[name]
    assert foreign_task(task).category != task.category


def test_words_are_inputs_of_the_other_task_and_not_of_this_one() -> None:
    other = foreign_task(custom())
    own = custom(*(pair.input for pair in other.pairs[:-30]))
    left = {pair.input for pair in other.pairs[-30:]}
    drawn = foreign_queries(own, other, EPISODES, 4, 0)
    assert len(drawn) == len(EPISODES)
    assert all(len(set(words)) == 4 and left.issuperset(words) for words in drawn)
    assert len(set(drawn)) > 30


def test_the_draw_depends_on_the_seed_and_not_on_the_process() -> None:
    other = foreign_task(custom())
    drawn = foreign_queries(custom(), other, EPISODES, 2, 0)
    assert foreign_queries(custom(), other, EPISODES, 2, 1) != drawn
    command = [sys.executable, "-c", SCRIPT]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == str(drawn)
