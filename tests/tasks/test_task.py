import pytest

from tvsight.tasks import Pair, Task

TASK = Task("t", "custom", "one", "exact", (Pair("a", ("b",)), Pair("ç", ("d", "e"))), "here")


@pytest.mark.parametrize(
    "pairs",
    [
        (Pair("a", ("c",)), Pair("ç", ("d", "e"))),
        (Pair("a", ("b",)), Pair("ç", ("e", "d"))),
        (Pair("ç", ("d", "e")), Pair("a", ("b",))),
        (Pair("a", ("b",)),),
    ],
    ids=["answer", "order of answers", "order of pairs", "fewer pairs"],
)
def test_the_checksum_changes_with_the_pairs(pairs: tuple[Pair, ...]) -> None:
    changed = Task("t", "custom", "one", "exact", pairs, "here")
    assert changed.checksum != TASK.checksum


def test_the_checksum_changes_with_the_matching_rule() -> None:
    changed = Task("t", "custom", "one", "prefix", TASK.pairs, "here")
    assert changed.checksum != TASK.checksum


def test_the_checksum_ignores_what_is_only_said_about_the_pairs() -> None:
    changed = Task("u", "linguistic", "two", "exact", TASK.pairs, "there", "v", ("word",))
    assert changed.checksum == TASK.checksum


def test_the_checksum_is_the_one_that_stored_results_carry() -> None:
    expected = "a66015707f73b59bc17319f1d4ec76fbf1f3b71e603b62cb314b472c1b127dec"
    assert TASK.checksum == expected
