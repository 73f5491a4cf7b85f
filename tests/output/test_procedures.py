import pytest

from tvsight.output.procedures import COMPARED, about, beside, word


@pytest.mark.parametrize(
    ("vector", "expected"),
    [("task_vector", "task vector"), ("mean_state", "mean state"), ("icl", "ICL")],
)
def test_a_name_within_a_sentence_has_a_small_letter_and_no_addition(
    vector: str, expected: str
) -> None:
    assert word(vector) == expected


def test_another_vector_than_the_task_vector_is_named() -> None:
    assert about("The vector", "task_vector") == "The vector"
    assert about("The vector", "mean_state") == "The vector (mean state)"
    assert beside(COMPARED, "mean_state") == ("baseline", "icl", "mean_state")
