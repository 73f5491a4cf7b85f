"""The page holds the numbers of the tables, and nothing that a file could have put there to run."""

import base64
import gzip
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.example_store import IDENTITY, MADE
from tests.helpers.explored import (
    ATTACK,
    MODEL,
    TASK,
    TASKS,
    blocks,
    explored_folder,
    explored_page,
    explored_store,
    rows_of,
)
from tests.helpers.hostile import raw
from tests.helpers.imports import loaded_with
from tvsight.errors import UsageError
from tvsight.experiments.main_results import numbers
from tvsight.explorer.overview import draws, overview, plain
from tvsight.explorer.page import write_page
from tvsight.explorer.runs import read_folder
from tvsight.output.procedures import CENTRAL
from tvsight.statistics.intervals import times_drawn
from tvsight.storage.choice import Choice
from tvsight.storage.store import Result, Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return explored_store(tmp_path_factory.mktemp("explored"))


@pytest.fixture(scope="module")
def text(store: Store) -> str:
    return explored_page(store)


@pytest.fixture(scope="module")
def data(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(blocks(text)["data"])
    return found


def unpacked(text: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(blocks(text)[name])))
    return found


def test_numbers_are_those_of_the_tables(store: Store, data: dict[str, Any]) -> None:
    assert len(data["runs"]) == 2
    for run, shown in zip(explored_folder(store).runs, data["runs"], strict=True):
        table = numbers.by_task(run.rows("main_results")).set_index("task")
        (means,) = numbers.over_tasks(table.reset_index()).to_dict("records")
        assert shown["means"]["recovered_gap"][0] == pytest.approx(means["recovered_gap"], abs=1e-4)
        for task in shown["tasks"]:
            known = TASK if task["task"] != "antonyms" else "antonyms"
            ends = [table.loc[known, f"icl{end}"] for end in ("", "_low", "_high")]
            assert task["accuracy"]["icl"] == pytest.approx(ends, abs=1e-4)
            assert task["curve"] == [1.0] * 6


def test_it_holds_the_bootstrap_samples_of_as_many_tasks_as_two_runs_share(store: Store) -> None:
    both, one = (
        plain(overview(read_folder(store, Choice(tasks=tasks))))["runs"]
        for tasks in ("all", "antonyms")
    )
    assert list(draws(both)) == [str(len(TASKS))]
    of = draws([*both, *one])
    assert list(of) == ["1", "2"]
    drawn = np.array([int(digit, 36) for digit in of["2"]])
    assert (drawn.reshape(-1, 2) == times_drawn(2)).all()


def test_further_methods_are_compared_where_they_were_measured(tmp_path: Path) -> None:
    store = explored_store(tmp_path)
    rows = rows_of("antonyms", (1, 5, 4, 3)).query("procedure == 'averaged_vector'")
    identity = {**IDENTITY, "model": MODEL, "task": "antonyms", "seed": 0}
    method = Result(identity | {"experiment": "methods", "method": "mean_state"})
    store.save(method, rows.assign(procedure="mean_state"), None, MADE)
    shown = overview(explored_folder(store))
    assert [run["procedures"][len(CENTRAL) :] for run in shown["runs"]] == [["mean_state"], []]
    accuracy = {task["task"]: task["accuracy"] for task in shown["runs"][0]["tasks"]}
    assert accuracy["antonyms"]["mean_state"] == accuracy["antonyms"]["averaged_vector"]
    assert list(draws(plain(shown)["runs"])) == ["1", str(len(TASKS))]


def test_every_answer_of_every_block_is_there(text: str) -> None:
    found = unpacked(text, "detail-0-0")
    assert found["test"]["icl"]["right"] == "111110"
    swept = found["swept"]["task_vector"]
    assert len(swept["said"]) == len(swept["margin"]) == 6 * 6
    assert set(swept["log"]) == {-50}


def test_episodes_have_their_demonstrations_where_they_are_stored(text: str) -> None:
    (first, *_) = unpacked(text, "detail-0-0")["episodes"]["test"]
    assert {"inputs", "answers", "accepted", "dummies", "prompt"} <= first.keys()
    (other, *_) = unpacked(text, "detail-1-0")["episodes"]["test"]
    assert other.keys() == {"query", "expected"}


def test_no_word_leaves_its_element(text: str) -> None:
    assert ATTACK not in text
    assert text.count("<script") == text.count("</script>") == len(blocks(text)) + 2
    assert not re.search(r"<[^>]+\son\w+\s*=", re.sub(r"<script.*?</script>", "", text, flags=re.S))
    assert raw(blocks(text)["data"]) == set()
    for name in ("detail-0-0", "detail-0-1"):
        assert all(raw(word) == set() for word in unpacked(text, name)["words"])


def test_only_the_scripts_of_the_page_may_run(text: str) -> None:
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert found
    policy = html.unescape(found[1])
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    inline = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(inline) == 2
    for script in inline:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no central comparison"):
        write_page(Store(tmp_path), Choice(), tmp_path / "page.html")


def test_a_place_that_cannot_be_written_is_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write_page(store, Choice(), tmp_path / "file" / "page.html")


def test_a_page_is_made_without_torch() -> None:
    loaded = loaded_with("tvsight.explorer.page")
    assert {"torch", "nnsight", "transformers"} & {name.split(".")[0] for name in loaded} == set()
