from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.example_store import two_results
from tvsight.errors import UsageError
from tvsight.storage.choice import Choice
from tvsight.storage.inspection import entries
from tvsight.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return two_results(tmp_path / "results")


def test_a_choice_restricts_by_every_name_that_is_given(store: Store) -> None:
    found, _ = entries(store)
    everything = Choice()
    for choice, tasks in {
        everything: {"antonyms", "my_task"},
        replace(everything, tasks="paper"): {"antonyms"},
        replace(everything, tasks="linguistic, my_task"): {"antonyms", "my_task"},
        replace(everything, tasks="my_task", models=("org/model-1b",)): {"my_task"},
        replace(everything, experiments=("main_results",)): {"antonyms", "my_task"},
        replace(everything, tasks="knowledge"): set(),
    }.items():
        assert {entry.identity["task"] for entry in choice.of(found)} == tasks


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice(models=("org/model-1c",)), "--model 'org/model-1c': no result.*'org/model-1b'"),
        (Choice(tasks="antonym"), "--tasks 'antonym': no result of it here.*'antonyms'"),
        (Choice(experiments=("x",)), "--experiment 'x': no result"),
    ],
)
def test_a_name_that_nothing_has_is_refused(store: Store, choice: Choice, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        choice.of(entries(store)[0])
