import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tvsight.config import RunConfig
from tvsight.errors import UsageError
from tvsight.experiments.conflicting_tasks import PAPER_PAIRS, Options
from tvsight.experiments.conflicting_tasks.request import ConflictingTasks, requests
from tvsight.models import ModelSource
from tvsight.prompts import Episode, write_episodes
from tvsight.run.planning import read_plan
from tvsight.tasks import packaged_tasks

SOURCE = ModelSource("hub", "model", "org/model")
CONFIG = RunConfig(model=("org/model",))


def asked(*pairs: str, **options: Any) -> list[ConflictingTasks]:
    return requests(read_plan(replace(CONFIG, **options)), SOURCE, pairs)


def test_the_papers_pairs_are_asked_for_by_default() -> None:
    found = asked(*Options().pairs)
    assert [request.name for request in found] == [pair.replace(":", "→") for pair in PAPER_PAIRS]
    assert len({request.result.key for request in found}) == 5
    names = [one.name for one in asked("en_es:en_fr", "en_fr:en_es", "en_es:en_fr")]
    assert names == ["en_es→en_fr", "en_fr→en_es"]  # twice is once, and the reverse is another


def test_a_pair_is_known_by_both_tasks_and_their_pairs() -> None:
    known = packaged_tasks()
    (found,) = asked("next_letter:to_upper")
    assert found.identity["experiment"] == "conflicting_tasks"
    assert found.identity["task"] == "next_letter→to_upper"
    assert found.identity["task_data"] == known["next_letter"].checksum
    assert found.identity["sources"] == {"to_upper": known["to_upper"].checksum}
    assert found.result.path.name.startswith("next_letter-to_upper-")


@pytest.mark.parametrize(
    ("change", "is_another"),
    [
        ({"seed": (1,)}, True),
        ({"shots": 4}, True),
        ({"dummy_queries": 3}, True),
        ({"template": "arrow"}, True),
        ({"vectors": False}, False),
        ({"tasks": "antonyms"}, False),
    ],
)
def test_what_changes_a_number_changes_the_key(change: dict[str, Any], is_another: bool) -> None:
    keys = [asked("en_es:en_fr", **options)[0].result.key for options in ({}, change)]
    assert (keys[0] != keys[1]) is is_another


def test_a_task_of_ones_own_can_be_in_a_pair(tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    pairs = [[chr(97 + number), chr(97 + (number + 2) % 26)] for number in range(26)]
    file.write_text(json.dumps({"name": "second_next", "pairs": pairs}))
    (found,) = asked("next_letter:second_next", task_file=(str(file),), tasks="none")
    assert found.name == "next_letter→second_next"
    with pytest.raises(UsageError, match=r"unknown task 'second_next'.*--task-file"):
        asked("next_letter:second_next")


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("next_leter:to_upper", "unknown task 'next_leter'. Did you mean 'next_letter'"),
        ("to_upper:next_leter", "unknown task 'next_leter'. Did you mean 'next_letter'"),
        ("next_letter", "'next_letter': two tasks with a colon"),
        ("next_letter:", "'next_letter:': two tasks with a colon"),
        ("a:b:c", "'a:b:c': two tasks with a colon"),
        ("to_upper:to_upper", "to_upper:to_upper: 0 inputs of both"),
        ("to_upper:en_fr", "to_upper:en_fr: 0 inputs of both"),
        ("", "at least one pair"),
    ],
)
def test_no_pair_or_one_that_is_none_is_refused(pair: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        asked(*pair.split())


def test_episodes_of_one_task_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--save-episodes: an episode of conflicting tasks"):
        asked("en_es:en_fr", save_episodes="file.jsonl")
    file, shown = tmp_path / "asked.jsonl", (("a", "A"),)
    episodes = [("dev", "b"), ("test", "d")]
    write_episodes(
        file,
        [Episode("to_upper", split, shown, query, ("B",), ("c",)) for split, query in episodes],
    )
    with pytest.raises(UsageError, match="--episodes: an episode of conflicting tasks"):
        asked("en_es:en_fr", episodes=str(file))
