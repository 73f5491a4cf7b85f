import errno
import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tvsight
from tvsight.errors import UsageError
from tvsight.prompts import Episode, episodes_digest, read_episodes, write_episodes
from tvsight.prompts.episode_files import check_target

WORD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(str.strip)
FIELDS: dict[str, Any] = {
    "task": "t",
    "split": "dev",
    "demonstrations": [[" a", " b"]],
    "query": " c",
    "accepted": [" d"],
    "dummy_queries": [" e"],
}
DEV, TEST = json.dumps(FIELDS), json.dumps({**FIELDS, "split": "test", "query": " q"})


def episodes_of(word: str = " c") -> list[Episode]:
    dev = Episode("t", "dev", ((" a", " b"), (" é", " f")), word, (" d", " g"), (" e", " h"))
    return [dev, Episode("t", "test", ((" a", " b"),), " c", (" d",), (" e",))]


def refusal(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        read_episodes(path)
    return str(refused.value)


@given(
    task=WORD,
    inputs=st.lists(WORD, min_size=4, max_size=6, unique_by=str.strip),
    words=st.lists(WORD, min_size=4, max_size=4).map(tuple),
)
@example(task="t", inputs=["one\u2028line", "c", "d", "e"], words=("b",) * 4)
@example(task="t", inputs=["a", "c", "d", "e"], words=("one\x85line",) * 4)
def test_any_words_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, task: str, inputs: list[str], words: tuple[str, ...]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    shown, dummies = tuple(zip(inputs[:2], words, strict=False)), tuple(inputs[3:])
    dev = Episode(task, "dev", shown, inputs[2], words, dummies)
    test = Episode(task, "test", shown[:1], inputs[2], words[::-1], (inputs[1], *dummies))
    write_episodes(path, [dev, test])
    assert read_episodes(path) == [dev, test]


def test_a_file_holds_one_readable_line_per_episode(tmp_path: Path) -> None:
    write_episodes(tmp_path / "episodes.jsonl", episodes_of())
    lines = (tmp_path / "episodes.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines[::2]] == [
        {"episodes_version": 1, "tvsight": tvsight.__version__},
        {**FIELDS, "split": "test"},
    ]
    assert len(lines) == 3


def test_a_file_of_another_version_is_refused_with_the_tvsight_that_wrote_it(
    tmp_path: Path,
) -> None:
    message = refusal(tmp_path / "own.jsonl", '{"episodes_version": 2, "tvsight": "9.1"}', DEV)
    assert "own.jsonl: version 2 of episode files, written by tvsight 9.1; tvsight " in message
    assert "of an unknown version" in refusal(tmp_path / "own.jsonl", '{"episodes_version": []}')
    message = refusal(tmp_path / "own.jsonl", DEV, '{"episodes_version": 1}', TEST)
    assert "own.jsonl, line 2: unknown key 'episodes_version'" in message


def test_a_word_that_is_too_long_is_refused_by_number_and_not_repeated(tmp_path: Path) -> None:
    line = json.dumps({**FIELDS, "query": "c" * 10_000_000})
    message = refusal(tmp_path / "own.jsonl", DEV, line, TEST)
    assert "own.jsonl, line 2: a word of more than 5000 characters" in message
    wrong = json.dumps({**FIELDS, "split": "d" * 1000})
    assert len(refusal(tmp_path / "own.jsonl", wrong)) < 300


def test_saving_that_fails_leaves_an_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_episodes(tmp_path / "own.jsonl", episodes_of())
    before = (tmp_path / "own.jsonl").read_bytes()
    monkeypatch.setattr("os.fsync", Mock(side_effect=OSError(errno.EDQUOT, "quota")))
    with pytest.raises(OSError, match="quota"):
        write_episodes(tmp_path / "own.jsonl", [])
    assert (tmp_path / "own.jsonl").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["own.jsonl"]


def test_a_hand_written_file_may_have_empty_lines_and_several_tasks(tmp_path: Path) -> None:
    other = [line.replace('"t"', '"u"') for line in (DEV, TEST)]
    (tmp_path / "own.jsonl").write_text("\n".join(["", DEV, *other, "  ", TEST]))
    found = read_episodes(tmp_path / "own.jsonl")
    assert [(e.task, e.split) for e in found] == [
        ("t", "dev"),
        ("u", "dev"),
        ("u", "test"),
        ("t", "test"),
    ]


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("{", 'not JSON. Each line was expected to be {"task": ...'),
        ("[" * 100_000, "too deep."),
        ("9" * 5_000, "is no number of JSON."),
        ("[]", 'a JSON object was expected: {"task": ...'),
        ("3", "a JSON object was expected"),
    ],
    ids=["syntax", "deep", "long number", "list", "number"],
)
def test_a_line_that_is_no_object_is_refused_by_number(
    tmp_path: Path, line: str, part: str
) -> None:
    message = refusal(tmp_path / "own.jsonl", DEV, "", line, TEST)
    assert message.startswith(f"{tmp_path / 'own.jsonl'}, line 3: ")
    assert part in message


@pytest.mark.parametrize("key", ["task", "dummy_queries"])
def test_a_line_without_a_key_is_refused_by_number(tmp_path: Path, key: str) -> None:
    line = json.dumps({name: value for name, value in FIELDS.items() if name != key})
    message = refusal(tmp_path / "own.jsonl", DEV, "", line, TEST)
    assert f"own.jsonl, line 3: {key} is missing. Expected: " in message


@pytest.mark.parametrize(
    "change",
    [
        *({"task": value} for value in (3, " ")),
        *({"accepted": value} for value in ("d", [3])),
        {"dummy_queries": ["e", " "]},
        *({"demonstrations": value} for value in (3, [["a"]], [["a", 3]], ["ab"], [{"a": 1}])),
    ],
    ids=str,
)
def test_a_value_of_the_wrong_kind_is_refused_by_number(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    message = refusal(tmp_path / "own.jsonl", DEV, "", json.dumps({**FIELDS, **change}), TEST)
    assert "own.jsonl, line 3: a value of the wrong kind. Expected: {" in message


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"split": "train"}, "split 'train': dev or test was expected"),
        ({"demonstrations": []}, "at least one demonstration, accepted answer and dummy query"),
        ({"dummy_queries": []}, "at least one demonstration, accepted answer and dummy query"),
        ({"query": "a"}, "the query 'a' is among its own demonstrations"),
        ({"dummy_queries": [" e", " c "]}, "the query 'c' is among its own dummy queries"),
        ({"dummy_queries": [" e", " f", "e"]}, "a dummy query is there twice"),
        ({"Split": "dev"}, "unknown key 'Split'. Did you mean 'split'?"),
    ],
    ids=str,
)
def test_an_episode_that_cannot_be_measured_is_refused_by_number(
    tmp_path: Path, change: dict[str, Any], part: str
) -> None:
    message = refusal(tmp_path / "own.jsonl", DEV, "", json.dumps({**FIELDS, **change}), TEST)
    assert f"own.jsonl, line 3: {part}" in message


def test_an_episode_of_one_split_cannot_be_one_of_the_other(tmp_path: Path) -> None:
    message = refusal(tmp_path / "own.jsonl", DEV, TEST, DEV.replace("dev", "test"))
    assert "own.jsonl, line 3: the episode of line 1, there in the split dev. " in message


def test_a_dummy_query_may_be_a_demonstration_and_an_episode_may_come_again(tmp_path: Path) -> None:
    again = json.dumps({**FIELDS, "dummy_queries": [" a", " e"]})
    (tmp_path / "own.jsonl").write_text("\n".join([again, TEST, again]))
    assert len(read_episodes(tmp_path / "own.jsonl")) == 3


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        (["", " "], "no episodes in it"),
        ([DEV], "task t has no test episodes"),
        ([TEST], "task t has no dev episodes"),
        ([DEV, TEST, DEV.replace('"t"', '"u"')], "task u has no test episodes"),
    ],
)
def test_a_file_without_both_splits_of_each_task_is_refused(
    tmp_path: Path, lines: list[str], part: str
) -> None:
    assert f"own.jsonl: {part}" in refusal(tmp_path / "own.jsonl", *lines)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.jsonl: No such file or directory"):
        read_episodes(tmp_path / "absent.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'{"task": "\xe9"}')
    with pytest.raises(UsageError, match=r"latin\.jsonl: not UTF-8 text \(byte 10\)"):
        read_episodes(tmp_path / "latin.jsonl")


def test_the_digest_changes_with_any_episode_and_their_order() -> None:
    episodes = episodes_of()
    digests = [episodes, episodes[::-1], episodes[:1], episodes_of(" x"), []]
    assert len({episodes_digest(chosen) for chosen in digests}) == len(digests)
    assert episodes_digest(iter(episodes)) == episodes_digest(episodes_of())


def test_a_file_of_somebody_else_stays_and_an_own_one_is_replaced(tmp_path: Path) -> None:
    own, foreign = tmp_path / "own.jsonl", tmp_path / "foreign.jsonl"
    foreign.write_text('{"task": "to_upper"}\n')
    for _ in range(2):
        write_episodes(own, episodes_of())
        check_target(own)
    with pytest.raises(OSError, match=r"did not write foreign\.jsonl"):
        write_episodes(foreign, episodes_of())
    with pytest.raises(UsageError, match=r"^--save-episodes .*did not write foreign\.jsonl"):
        check_target(foreign)
    assert foreign.read_text() == '{"task": "to_upper"}\n'
