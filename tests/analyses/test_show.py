from pathlib import Path

import pytest

from tests.helpers.commands import analysis
from tests.helpers.explored import explored_store


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return explored_store(tmp_path_factory.mktemp("explored")).root


def test_an_episode_is_printed(results: Path) -> None:
    ended = analysis("show", "antonyms", "--episode", "3", "--seed", "1", "--results", results)
    assert ended.returncode == 0
    assert "test episode 3" in ended.stdout
    assert "Task vector" in ended.stdout


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("antonym",), "Did you mean 'antonyms'"),
        (("antonyms", "--episode", "9"), "episodes 0 to 5"),
        (("antonyms", "--seed", "7"), "seed 0"),
    ],
)
def test_what_is_not_there_is_refused(results: Path, options: tuple[str, ...], named: str) -> None:
    ended = analysis("show", *options, "--results", results)
    assert ended.returncode == 2
    assert named in " ".join(ended.stderr.split())
