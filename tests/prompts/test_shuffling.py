from dataclasses import replace
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from tvsight.prompts import Episode
from tvsight.prompts.shuffling import (
    kept_labels,
    renamed_labels,
    renaming,
    share_shown,
    showing,
    shuffled_labels,
)

ANSWERS = st.lists(st.sampled_from("abc"), min_size=1, max_size=6)


def episode(answers: list[str]) -> Episode:
    shown = tuple((f"x{number}", answer) for number, answer in enumerate(answers))
    return Episode("a_task", "dev", shown, "q", ("y",), ("d",))


@given(ANSWERS, st.integers(0, 5))
def test_as_few_answers_as_possible_stay(answers: list[str], seed: int) -> None:
    before = episode(answers)
    after = shuffled_labels(before, str(seed))
    fewest = min(
        sum(one == other for one, other in zip(answers, permuted, strict=True))
        for permuted in permutations(answers)
    )
    assert kept_labels(before, after) == fewest
    assert sorted(y for _, y in after.demonstrations) == sorted(answers)
    assert [x for x, _ in after.demonstrations] == [x for x, _ in before.demonstrations]


def test_query_answers_and_dummy_queries_stay() -> None:
    before = episode(["a", "b", "c"])
    after = shuffled_labels(before, "0")
    assert (after.task, after.split, after.query) == ("a_task", "dev", "q")
    assert (after.accepted, after.dummy_queries) == (("y",), ("d",))


def test_the_seed_alone_decides_the_permutation() -> None:
    before = episode(list("abcde"))
    assert shuffled_labels(before, "1") == shuffled_labels(before, "1")
    assert len({shuffled_labels(before, str(seed)) for seed in range(20)}) > 5


@given(st.sets(st.sampled_from("abcdefgh"), min_size=2), st.integers(0, 5))
def test_every_answer_gets_another_one_and_each_is_given_once(answers: set[str], seed: int) -> None:
    names = renaming(answers, str(seed))
    assert names == renaming(sorted(answers, reverse=True), str(seed))
    assert set(names) == set(names.values()) == answers
    assert all(old != new for old, new in names.items())


def test_renamed_episodes_have_the_new_name_of_every_answer() -> None:
    before = replace(episode(["a", "b", "a"]), accepted=("b", "also b"))
    after = renamed_labels(before, {"a": "b", "b": "c", "c": "a"})
    assert after.demonstrations == (("x0", "b"), ("x1", "c"), ("x2", "b"))
    assert after.accepted == ("c",)
    assert (after.query, after.dummy_queries) == (before.query, before.dummy_queries)
    assert share_shown(after) == share_shown(before) == 1 / 3


POOL = [*((f"new {n}", answer) for n, answer in enumerate("aabbyy")), ("q", "y"), ("d", "y")]


@given(st.lists(st.sampled_from("aby"), min_size=1, max_size=4), st.booleans(), st.integers(0, 9))
def test_as_few_demonstrations_as_possible_are_replaced(
    answers: list[str], shown: bool, seed: int
) -> None:
    before = episode(answers)
    after = showing(before, POOL, shown, str(seed))
    assert after == showing(before, POOL, shown, str(seed))
    assert (share_shown(after) > 0) is shown
    pairs = zip(before.demonstrations, after.demonstrations, strict=True)
    changed = [(one, other) for one, other in pairs if one != other]
    count = answers.count("y")
    assert len(changed) == ((count == 0) if shown else count)
    assert {new for _, new in changed} <= set(POOL[:6])
    inputs = [given for given, _ in after.demonstrations]
    assert len(set(inputs)) == len(inputs)


def test_without_other_pairs_the_demonstrations_stay() -> None:
    for answers, shown in (("aab", True), ("yyb", False)):
        before = episode(list(answers))
        assert showing(before, [("new", "a"), ("q", "y")], shown, "0") == before
