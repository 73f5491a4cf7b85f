"""Scores of whole answers: exact match, F1 and first word."""

import pytest

from tvsight.tasks.whole_answers import normalised, score


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Eiffel Tower!", "eiffel tower"),
        ("  An  apple,\na pear ", "apple pear"),
        ("U.S. dollar", "us dollar"),
        ("Another theory", "another theory"),
        ("the a an", ""),
    ],
)
def test_texts_are_normalised_as_in_squad(text: str, expected: str) -> None:
    assert normalised(text) == expected


@pytest.mark.parametrize(
    ("predicted", "exact", "f1", "first_word"),
    [
        ("Jane Austen", True, 1.0, True),
        ("the jane austen.", True, 1.0, True),
        ("Miss Austen", True, 1.0, True),
        ("Jane Eyre", False, 0.5, True),
        ("Austen", False, 2 / 3, False),
        ("Jane Jane Jane Austen", False, 2 / 3, True),
        ("Charlotte Brontë", False, 0.0, False),
        ("", False, 0.0, False),
    ],
)
def test_an_answer_has_the_scores_of_the_accepted_one_that_suits_best(
    predicted: str, exact: bool, f1: float, first_word: bool
) -> None:
    found = score(predicted, "Emma", ("Jane Austen", "Miss Austen"))
    assert (found.exact, found.first_word) == (exact, first_word)
    assert found.f1 == pytest.approx(f1)


@pytest.mark.parametrize(
    ("predicted", "query", "answer", "exact"),
    [
        ("CAT", "cat", "CAT", True),
        ("cat", "cat", "CAT", False),
        ("A", "b", "a", True),
        ("the", "b", "a", False),
        ("", "b", "a", False),
    ],
)
def test_where_normalisation_leaves_no_difference_texts_are_compared_as_written(
    predicted: str, query: str, answer: str, exact: bool
) -> None:
    assert score(predicted, query, (answer,)).exact is exact
