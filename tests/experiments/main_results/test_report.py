import pandas as pd
import pytest

from tests.helpers.example_rows import outcome_of, task_rows
from tests.helpers.recorded import Recorded, Told
from tvsight.config import RunConfig
from tvsight.experiments.answer_sets import recognition
from tvsight.experiments.main_results import NAME, numbers, report, request
from tvsight.paper import paper_by_task

RESULTS = (
    task_rows("one", (1, 12, 10, 8)),
    task_rows("two", (3, 10, 9, 9), identified=False),
    task_rows("one", (4, 4, 2, 1), model="b-model"),
)


@pytest.fixture(scope="module")
def drawing() -> tuple[Recorded, str]:
    """What is drawn, and what is printed."""
    drawn, display = Recorded(NAME), Told()
    report.draw(outcome_of(*RESULTS), RunConfig(), display, drawn)
    return drawn, display.text


def test_all_results_are_collected() -> None:
    assert report.collect is request.collect


def test_numbers_are_those_of_tasks_and_of_means(drawing: tuple[Recorded, str]) -> None:
    drawn, _ = drawing
    table = numbers.by_task(pd.concat(RESULTS, ignore_index=True))
    means = numbers.means(table, paper_by_task())
    recognised = recognition(pd.concat(RESULTS, ignore_index=True))
    assert set(drawn.tables) == {f"main_results{part}" for part in ("", "_means", "_recognition")}
    pd.testing.assert_frame_equal(drawn.tables["main_results_recognition"], recognised)
    pd.testing.assert_frame_equal(drawn.tables["main_results"], table)
    pd.testing.assert_frame_equal(drawn.tables["main_results_means"], means)


def test_each_model_has_a_figure_of_its_tasks(drawing: tuple[Recorded, str]) -> None:
    drawn, _ = drawing
    by_task = {f"main_results_by_task_{model}" for model in ("a-model", "b-model")}
    assert set(drawn.figures) == {"main_results"} | by_task


def test_texts_are_a_row_per_task_and_a_mean_per_category(drawing: tuple[Recorded, str]) -> None:
    drawn, _ = drawing
    tasks, means = drawn.cells["main_results"]
    assert tasks["Task"].tolist() == ["one", "two", "mean of custom", "one", "mean of custom"]
    assert tasks["Task vector"].iloc[2] == "0.47"  # of 10 and 9 right answers of 20
    assert tasks["Block"].tolist() == ["3", "3", "", "3", ""]
    assert tasks["n (queries)"].iloc[0] == "20 (20)"
    assert tasks["Note"].tolist() == ["", "layer not identified", "", "", ""]
    assert tasks["Chance"].iloc[0] == "1.00"
    assert tasks["Most frequent answer"].iloc[0] == "yes (1.00)"
    assert tasks["ICL − task vector"].iloc[0] == "0.10 [0.00, 0.25]"
    assert means["Resampled"].tolist()[:4] == ["2 tasks", "1 task", "2 word lists", "1 word list"]
    assert means["ICL gains 0.20"].iloc[0] == "2 of 2"
    _, counts = drawn.cells["main_results_means"]
    assert counts["Model"].tolist() == ["a-model", "b-model"]
    assert counts["Layer identified (Holm)"].tolist() == ["1 of 2", "1 of 1"]
    assert counts["Task vector − baseline > 0 (Holm)"].tolist() == ["2 of 2", "0 of 1"]
    assert means["Model"].iloc[-1] == "All seven (paper)"
    pd.testing.assert_frame_equal(drawn.cells["main_results_means"][0], means)


def test_words_from_elsewhere_are_escaped(drawing: tuple[Recorded, str]) -> None:
    drawn, _ = drawing
    assert all(escaped >= {"Model", "Category", "Task"} for escaped in drawn.escaped.values())


def test_only_a_model_that_demonstrations_never_help_is_named(
    drawing: tuple[Recorded, str],
) -> None:
    _, text = drawing
    assert text.count("demonstrations help on no task. Likely causes: ") == 1
    assert "b-model: demonstrations help on no task" in text
    assert "a-model: accuracy on test episodes" in text
