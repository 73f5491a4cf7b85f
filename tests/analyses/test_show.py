from pathlib import Path

import pytest

from tests.helpers.called_commands import called
from tests.helpers.explored import explored_store
from tests.helpers.opened import opened
from tvsight.cli import show


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return explored_store(tmp_path_factory.mktemp("explored")).root


def test_an_episode_is_printed(results: Path) -> None:
    ended = called("show", "antonyms", "--episode", "3", "--seed", "1", "--results", results)
    assert ended.returncode == 0
    assert "test episode 3" in ended.stdout
    assert "Task vector" in ended.stdout


def test_manifests_are_read_once_and_again_where_rows_are_verified(results: Path) -> None:
    with opened(results) as counts:
        show.main(show.Options("antonyms", results=str(results)))
    manifests = {path: count for path, count in counts.items() if path.name == "manifest.json"}
    assert {path.parent.name[:4]: count for path, count in manifests.items()} == {
        "anto": 2,
        "mine": 1,
    }


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("antonym",), "Did you mean 'antonyms'"),
        (("antonyms", "--episode", "9"), "episodes 0 to 5"),
        (("antonyms", "--seed", "7"), "seed 0"),
    ],
)
def test_what_is_not_there_is_refused(results: Path, options: tuple[str, ...], named: str) -> None:
    ended = called("show", *options, "--results", results)
    assert ended.returncode == 2
    assert named in " ".join(ended.stderr.split())
