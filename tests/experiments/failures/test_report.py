from tests.helpers.example_rows import outcome_of, task_rows
from tests.helpers.recorded import Recorded, Told
from tvsight.config import RunConfig
from tvsight.experiments.failures import NAME, report


def test_wrong_answers_are_a_table_and_a_figure_per_model() -> None:
    drawn, display = Recorded(NAME), Told()
    results = [task_rows("one", (1, 12, 10, 8), model=model) for model in ("a-model", "b-model")]
    report.draw(outcome_of(*results), RunConfig(), display, drawn)
    assert set(drawn.figures) == {"failures_a-model", "failures_b-model"}
    assert set(drawn.tables) == {"failures"}
    (cells,) = drawn.cells["failures"]
    assert cells["Wrong"].tolist() == ["8 of 20", "10 of 20"] * 2
    assert cells["Most frequent wrong answers"].iloc[0] == "no (8)"
    assert drawn.escaped["failures"] >= {"Model", "Task", "Most frequent wrong answers"}
    assert "Wrong answers on test episodes" in display.text


def test_tasks_with_few_answers_have_confusions() -> None:
    rows = task_rows("mine", (1, 12, 10, 8))
    rows.loc[rows["episode"] % 2 == 0, "expected"] = " no"
    drawn = Recorded(NAME)
    report.draw(outcome_of(rows), RunConfig(), Told(), drawn)
    assert set(drawn.tables) == {"failures", "failures_confusion"}
    assert list(drawn.figures) == ["failures_a-model"]
