from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from tvsight.prompts import Episode
from tvsight.prompts.shuffling import kept_labels, shuffled_labels

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
