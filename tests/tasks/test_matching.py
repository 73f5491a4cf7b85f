from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tvsight.tasks import MatchRule
from tvsight.tasks.matching import SCORING_VERSION, Vocabulary, matches

TEXT = st.text("ab \n\u00e9", max_size=5)
ANSWER = TEXT.filter(str.strip)
RULE: st.SearchStrategy[MatchRule] = st.sampled_from(["exact", "prefix"])


class Tokenizer:
    """A tokenizer of given texts: all that `Vocabulary` asks of one."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)

    def __len__(self) -> int:
        return len(self.texts)

    def batch_decode(self, rows: list[list[int]]) -> list[str]:
        return ["".join(self.texts[i] for i in row) for row in rows]


@pytest.mark.parametrize(
    ("predicted", "answer", "exact", "prefix"),
    [
        ("cold", "cold", True, True),
        ("cold\n", " cold", True, True),
        ("Cold", "cold", False, False),
        ("col", "cold", False, True),
        ("co", "cold", False, True),
        ("c", "cold", False, False),
        ("colder", "cold", False, True),
        ("could", "cold", False, False),
        ("old", "cold", False, False),
        ("", "cold", False, False),
        ("H", "H", True, True),
        ("Hy", "H", False, True),
        ("New", "New York", False, True),
        (" New ", "New York", False, True),
        ("York", "New York", False, False),
        ("A", "A Coruna", False, False),
    ],
)
def test_a_token_counts_as_the_rules_say(
    predicted: str, answer: str, exact: bool, prefix: bool
) -> None:
    assert matches(predicted, answer, "exact") is exact
    assert matches(predicted, answer, "prefix") is prefix


@given(TEXT, ANSWER, RULE)
def test_white_space_around_never_counts(predicted: str, answer: str, rule: MatchRule) -> None:
    padded = matches(f" {predicted}\n", f"\t{answer} ", rule)
    assert padded == matches(predicted, answer, rule)


@given(st.lists(TEXT, max_size=25), st.lists(ANSWER, min_size=1, max_size=3), RULE)
@example(["", " ", "a", "ab", " a", "a b", "aba"], ["a ba"], "prefix")
@example(["\U0010ffff", "a\U0010ffff", "a", "aa"], ["a"], "prefix")
def test_the_vocabulary_accepts_what_a_search_through_it_accepts(
    texts: list[str], answers: list[str], rule: MatchRule
) -> None:
    expected = [i for i, t in enumerate(texts) if any(matches(t, a, rule) for a in answers)]
    vocabulary = Vocabulary(Tokenizer(texts))
    assert vocabulary.texts == texts
    assert vocabulary.accepted(answers, rule) == expected


def test_several_answers_and_spellings_of_space_are_all_accepted() -> None:
    vocabulary = Vocabulary(Tokenizer(["warm", " cold", "cold", "col", "chilly", "\ncold"]))
    assert vocabulary.accepted((" cold", " chilly"), "exact") == [1, 2, 4, 5]
    assert vocabulary.accepted((" cold", " chilly"), "prefix") == [1, 2, 3, 4, 5]
    assert vocabulary.accepted((" hot",), "prefix") == []


def test_the_version_is_the_one_of_these_rules() -> None:
    # The table above, and the first token of an answer, are version 2: whoever changes either
    # raises the version with it.
    assert SCORING_VERSION == 2
