"""Numbers, tables and the figure of learned vectors, from rows written by hand."""

import pandas as pd
import pytest

from tests.helpers.example_rows import outcome_of
from tests.helpers.golden import assert_golden
from tests.helpers.learned_rows import BLOCKS, N, learned_rows
from tests.helpers.recorded import Recorded, Told
from tvsight.experiments.learned_vectors import Options, numbers
from tvsight.experiments.learned_vectors.report import draw

TASKS = pd.concat([learned_rows("one"), learned_rows("two", 4)], ignore_index=True)


def mean(table: pd.DataFrame, name: str, *condition: str | None) -> float:
    """A mean over tasks of the one condition, or of one that has no operation or loss."""
    own = table[table["group"] == "all"] if "group" in table else table
    for column, value in zip(numbers.CONDITION, condition, strict=False):
        own = own[own[column].isna() if value is None else own[column] == value]
    return float(own[name].item())


def test_the_accuracy_of_a_vector_is_that_after_its_chosen_block() -> None:
    means = numbers.over_tasks(numbers.by_task(TASKS))
    answer = ("learned_vector", "overwrite", "answer")
    assert mean(means, "accuracy", "icl", None, None) == pytest.approx(18 / N)
    assert mean(means, "accuracy", "own_mean", "add", None) == pytest.approx(6 / N)
    assert mean(means, "accuracy", *answer) == pytest.approx(14 / N)
    assert mean(means, "accuracy", "learned_vector", "add", "answer") == pytest.approx(12 / N)
    assert mean(means, "recovered_gap", *answer) == pytest.approx(12 / 16)
    assert mean(means, "layer", "learned_vector", "add", "answer") == 2


def test_a_learned_vector_is_compared_with_the_extracted_one_of_its_operation() -> None:
    table = numbers.by_task(TASKS)
    one = table[table["task"] == "one"]
    assert mean(one, "over_extracted", "learned_vector", "overwrite", "answer") == 6 / N
    assert mean(one, "over_extracted", "learned_vector", "add", "answer") == 8 / N
    assert mean(one, "behind_icl", "learned_vector", "add", "answer") == pytest.approx(4 / N)
    for none in (("own_mean", "add", None), ("icl", None, None)):
        assert pd.isna(mean(one, "over_extracted", *none))


def test_answers_that_dev_has_and_others_are_told_apart() -> None:
    table = numbers.by_task(learned_rows("one"))
    learned = ("learned_vector", "overwrite", "answer")
    assert mean(table, "dev_answer", *learned) == 1
    assert mean(table, "new_answer", *learned) == pytest.approx(15 / 19)
    same = learned_rows("one").assign(expected=" yes")
    assert pd.isna(mean(numbers.by_task(same), "dev_answer", *learned))


def test_blocks_are_those_after_which_every_task_has_a_vector() -> None:
    fewer = learned_rows("two")
    gone = (fewer["procedure"] == "learned_vector") & (fewer["layer"] == 3)
    table = numbers.by_block(pd.concat([learned_rows("one"), fewer[~gone]]))
    counts = table.groupby(["procedure", "operation"])["layer"].apply(list).to_dict()
    assert counts == {
        ("own_mean", "overwrite"): [*range(BLOCKS)],
        ("own_mean", "add"): [*range(BLOCKS)],
        ("learned_vector", "overwrite"): [1],
        ("learned_vector", "add"): [1, 2],
    }
    assert table["tasks"].eq(2).all()


def test_tables_say_what_a_vector_is_made_from_and_the_figure_shows_both() -> None:
    files = Recorded("learned_vectors")
    draw(outcome_of(learned_rows("one"), learned_rows("two", 4)), Options(), Told(), files)
    cells = files.cells["learned_vectors"][0]
    seen = dict(
        zip(zip(cells["Procedure"], cells["Aim"], strict=True), cells["Made from"], strict=True)
    )
    assert seen["Own mean vector", "–"] == "50 × 5 pairs"
    assert seen["Learned vector", "answers"] == "40 labels"
    assert seen["Learned vector", "KL to ICL"] == "40 ICL runs"
    assert seen["Learned vector", "permuted answers"] == "40 wrong labels"
    assert seen["ICL", "–"] == "–"
    assert_golden("learned_vectors", files.figures["learned_vectors_a-model"])
