import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.helpers.commands import analysis
from tvsight.errors import UsageError
from tvsight.prompts import Episode, template, write_episodes
from tvsight.prompts.episodes import SPLITS
from tvsight.prompts.replay import remarks, suited
from tvsight.storage.store import Store
from tvsight.tasks import Task
from tvsight.tasks.matching import Vocabulary

MakeTokenizer = Callable[[Iterable[str]], Any]
EXAMPLE = template("example")
SUITED = " cold"
WORDS = "abcdefghijklmnopqrstuvw"


def model_of(tokenizer: Any) -> Any:
    return SimpleNamespace(
        name="a-model",
        tokenizer=tokenizer,
        vocabulary=Vocabulary(tokenizer),
        decoder=SimpleNamespace(window=None),
    )


@pytest.fixture(scope="session")
def model(make_tokenizer: MakeTokenizer) -> Any:
    return model_of(make_tokenizer(["->", SUITED, " hot", "->x"]))


def task(rule: Any = "exact") -> Task:
    return Task("t", "custom", "a task", rule, (), "a test")


def file_of(suited: int = 10, unsuited: Sequence[dict[str, Any]] = ()) -> list[Episode]:
    """So many suited episodes of each split, and after those of dev the unsuited ones."""
    usual = {"demonstrations": (("x", " hot"),), "accepted": (SUITED,), "dummy_queries": ("y",)}
    dev, test = (
        [Episode(task="t", split=s, query=WORDS[n] + s[0], **usual) for n in range(suited)]
        for s in SPLITS
    )
    return [*dev, *(Episode(**{"task": "t", "split": "dev"} | usual | u) for u in unsuited), *test]


def test_episodes_that_suit_a_tokenizer_stay_as_they_are(model: Any) -> None:
    episodes = file_of(2)
    kept, found = suited(model, task(), episodes, EXAMPLE)
    assert kept == episodes
    assert found == {"kept": 4, "of": 4, "repeated": 0, "left_out": [], "remarks": []}
    assert remarks(found) == []


@pytest.mark.parametrize(
    ("change", "rule", "reason"),
    [
        ({"accepted": (" nicosia",)}, "exact", "no accepted answer is one token there"),
        ({"query": "b", "accepted": ("x",)}, "prefix", "the answer has no token of its own"),
        ({"accepted": (SUITED, " 北")}, "exact", "the tokenizer does not know a word"),
        ({"demonstrations": (("x", "北"),)}, "exact", "the tokenizer does not know a word"),
        ({"query": "<unk>"}, "exact", "the tokenizer does not know a word"),
    ],
    ids=str,
)
def test_an_episode_that_cannot_be_asked_is_left_out_by_name(
    model: Any, change: dict[str, Any], rule: str, reason: str
) -> None:
    episodes = file_of(10, [{"query": "nn", **change}])
    kept, found = suited(model, task(rule), episodes, EXAMPLE)
    assert kept == [e for e in episodes if e is not episodes[10]]
    assert (found["kept"], found["of"]) == (20, 21)
    (left_out,) = found["left_out"]
    assert left_out["reason"].startswith(reason)
    del left_out["reason"]
    assert left_out == {"split": "dev", "episode": 10, "query": episodes[10].query}


@pytest.mark.parametrize(
    ("accepted", "rule"),
    [((" hotel",), "prefix"), ((" nicosia", SUITED), "exact"), ((SUITED, " nicosia"), "exact")],
)
def test_one_answer_that_can_be_right_is_enough(
    model: Any, accepted: tuple[str, ...], rule: str
) -> None:
    episodes = file_of(1, [{"query": "nn", "accepted": accepted}])
    assert suited(model, task(rule), episodes, EXAMPLE)[0] == episodes


@pytest.mark.parametrize(("size", "counts"), [(9, "9 dev and 9 test"), (0, "0 dev and 0 test")])
def test_too_few_that_remain_are_refused_with_the_numbers(
    model: Any, size: int, counts: str
) -> None:
    changed = [{"query": f"n{n}", "accepted": (" nicosia",)} for n in range(15)]
    with pytest.raises(UsageError) as refused:
        suited(model, task(), file_of(size, changed), EXAMPLE)
    assert f"15 of {15 + 2 * size} episodes of the file do not suit" in str(refused.value)
    assert f"(dev {size} ('n0'), " not in str(refused.value)
    assert f"dev {size} ('n0'), dev {size + 1} ('n1')" in str(refused.value)
    assert f"and are left out, because no accepted answer is one token there: dev {size}" in str(
        refused.value
    )
    assert f"10 more. {counts} episodes remain; at least 10 of each" in str(refused.value)


def test_episodes_that_come_again_are_counted(model: Any) -> None:
    episodes = file_of(2)
    kept, found = suited(model, task(), [*episodes, *episodes[:3]], EXAMPLE)
    assert (len(kept), found["repeated"]) == (7, 3)
    assert remarks(found) == ["3 episodes repeat an earlier one"]


@pytest.mark.slow
def test_a_replay_says_what_it_left_out_in_rows_manifest_and_tables(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    letters = [chr(number) for number in range(ord("a"), ord("a") + 22)]
    episodes = [
        Episode("to_upper", split, (("y", "Y"), ("z", "Z")), x, (x.upper(),), ("w",))
        for x, split in zip(letters, (s for s in SPLITS for _ in range(11)), strict=True)
    ]
    odd = [Episode("to_upper", "test", (("y", "Y"),), "x", ("Nicosia",), ("w",))]
    file, results = tmp_path / "asked.jsonl", tmp_path / "results"
    write_episodes(file, [*episodes[:12], *odd, *episodes[12:]])
    where = ("--model", tiny_checkpoint("qwen2"), "--results", results, "--episodes", file)
    said = (
        "1 of 23 episodes of the file do not suit the tokenizer and are left out, because no "
        "accepted answer is one token there: test 1 ('x')"
    )
    for option in ((), ("--redraw",)):
        ended = analysis("main_results", *where, *option)
        assert ended.returncode == 0, ended.stderr
        assert f"qwen2, to_upper: {said}." in ended.stdout
        for suffix in ("md", "tex"):
            table = results / "tables" / f"main_results.{suffix}"
            assert "do not suit the tokenizer" in table.read_text(encoding="utf-8")
            table.unlink()
    store = Store(results)
    (path,) = store.paths()
    rows = store.rows(path)
    assert rows[rows["split"] == "test"]["query"].unique().tolist() == letters[11:]
    manifest = json.loads((results / path / "manifest.json").read_text())
    assert manifest["replayed"] == {
        "kept": 22,
        "of": 23,
        "repeated": 0,
        "left_out": [
            {
                "split": "test",
                "episode": 1,
                "query": "x",
                "reason": "no accepted answer is one token there",
            }
        ],
        "remarks": [said],
    }


@pytest.mark.parametrize("found", [None, [], {}, {"remarks": None}, {"remarks": "a"}])
def test_a_manifest_may_say_nothing_of_a_replay(found: object) -> None:
    assert remarks(found) == []
