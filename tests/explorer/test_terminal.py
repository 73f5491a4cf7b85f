import io

import pytest
from rich.console import Console

from tests.helpers.explored import TASK, explored_folder, explored_store
from tests.helpers.hostile import raw
from tvsight.errors import UsageError
from tvsight.explorer.terminal import NOT_STORED, answer_tables, prompt_panel
from tvsight.storage.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return explored_store(tmp_path_factory.mktemp("explored"))


def printed(store: Store, run: int, split: str, episode: int) -> str:
    folder = explored_folder(store)
    panel = prompt_panel(folder.runs[run], "a run", TASK, split, episode, store)
    text = io.StringIO()
    Console(file=text, width=300).print(panel)
    return text.getvalue()


def test_an_episode_is_shown_with_its_demonstrations(store: Store) -> None:
    text = printed(store, 0, "test", 2)
    assert "test episode 2" in text
    assert "query 2" in text
    assert "../../../etc/passwd →" in text
    assert "(or b)" in text
    assert raw(text) == set()
    assert NOT_STORED in printed(store, 1, "dev", 0)


@pytest.mark.parametrize("episode", [-1, 6])
def test_an_unknown_episode_is_refused(store: Store, episode: int) -> None:
    with pytest.raises(UsageError, match="has test episodes 0 to 5"):
        printed(store, 0, "test", episode)


def test_answers_on_dev_are_shown_after_each_block(store: Store) -> None:
    run = explored_folder(store).runs[0]
    on_test = answer_tables(run, TASK, "test", 0)["Answers"]
    assert on_test["Procedure"].tolist() == ["Baseline", "ICL", "Task vector", "Averaged vector"]
    assert on_test["Block"].tolist() == ["–", "–", "3", "4"]
    on_dev = list(answer_tables(run, TASK, "dev", 0).values())[1]
    assert on_dev["Block"].tolist() == list("012345")
    assert on_dev["Task vector"].str.endswith("-0.50").all()
