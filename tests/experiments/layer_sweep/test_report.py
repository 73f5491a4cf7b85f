import pandas as pd
import pytest

from tests.helpers.example_rows import outcome_of, swept_rows, task_rows
from tests.helpers.function_vector_rows import method_rows
from tests.helpers.recorded import Recorded, Told
from tvsight.errors import UsageError
from tvsight.experiments.layer_sweep import NAME, Options, report
from tvsight.paper import has_paper_tasks
from tvsight.protocol.layers import by_layer

RESULTS = (swept_rows("one", [0, 2, 4, 1]), swept_rows("two", [0, 4, 4, 3]))


@pytest.fixture(autouse=True)
def beside_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    """The paper's curves are drawn, as if the tasks were the paper's."""
    monkeypatch.setattr(report, "has_paper_tasks", lambda tasks: True)


def test_the_papers_curves_are_not_drawn_beside_other_tasks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(report, "has_paper_tasks", has_paper_tasks)
    drawn, display = Recorded(NAME), Told()
    report.draw(outcome_of(*RESULTS), Options(), display, drawn)
    plot, note = drawn.figures["layer_sweep"], drawn.wordings["layer_sweep"].note
    assert "paper" not in display.text + plot.caption + plot.title + note


def test_the_papers_curves_are_drawn_beside_ours() -> None:
    drawn, display = Recorded(NAME), Told()
    report.draw(outcome_of(*RESULTS), Options(), display, drawn)
    assert set(drawn.figures) == {"layer_sweep", "layer_sweep_by_task_a-model"}
    assert "LLaMA 7B (paper)" in display.text
    assert "(paper)" in drawn.figures["layer_sweep"].caption
    assert "(paper)" in drawn.wordings["layer_sweep"].note


def test_tasks_below_the_least_peak_are_left_out_of_means_alone() -> None:
    drawn = Recorded(NAME)
    results = (*RESULTS, swept_rows("three", [0, 1, 2, 0]))
    report.draw(outcome_of(*results), Options(least_peak=0.75), Told(), drawn)
    assert drawn.tables["layer_sweep"]["task"].nunique() == 3
    assert drawn.cells["layer_sweep"][0]["Tasks"].tolist() == ["2", "8", "11", "9"]


def test_nothing_is_drawn_where_no_task_is_above_the_least_peak() -> None:
    drawn, display = Recorded(NAME), Told()
    low = outcome_of(swept_rows("three", [0, 1, 2, 0]))
    report.draw(low, Options(least_peak=0.75), display, drawn)
    assert drawn.figures == {}
    assert "No task's best block is above --least-peak 0.75." in display.text


def test_a_least_peak_that_no_accuracy_exceeds_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--least-peak 1\.5: an accuracy below 1"):
        Options(least_peak=1.5)


def test_the_table_holds_every_cell_and_its_texts_the_peaks() -> None:
    drawn = Recorded(NAME)
    report.draw(outcome_of(*RESULTS), Options(), Told(), drawn)
    pd.testing.assert_frame_equal(drawn.tables["layer_sweep"], by_layer(pd.concat(RESULTS)))
    (peaks,) = drawn.cells["layer_sweep"]
    assert list(peaks) == [*("Model", "Tasks", "Blocks", "Peak block", "Accuracy", "Near the peak")]
    assert peaks.iloc[0].tolist() == ["a-model", "2", "4", "2", "1.00", "2 to 2"]
    assert drawn.escaped["layer_sweep"] >= {"Model"}


def test_a_further_method_has_its_peak_in_table_and_caption_and_its_accuracies() -> None:
    drawn = Recorded(NAME)
    rows = pd.concat([task_rows("one", (2, 10, 9, 9)), method_rows("one", 9)])
    low = pd.concat([swept_rows("low", [0, 1, 2, 0, 0, 0]), method_rows("low", 9, layer=5)])
    report.draw(outcome_of(rows, low), Options(least_peak=0.75), Told(), drawn)
    cells = drawn.cells["layer_sweep"][0]
    assert cells["Method"].tolist() == ["Task vector", "Mean state, added", *["Task vector"] * 3]
    shown = ["a-model", "1", "6", "2", "1.00", "2 to 2"]
    assert cells.iloc[1].drop("Method").tolist() == shown
    assert "A row is a model and a method." in drawn.wordings["layer_sweep"].note
    assert drawn.escaped["layer_sweep"] >= {"Method"}
    table = drawn.tables["layer_sweep"]
    assert set(table["procedure"]) == {"task_vector", "mean_state"}
    assert len(table) == len(by_layer(pd.concat([rows, low]))) + 2 * 6
    caption = drawn.figures["layer_sweep"].caption
    assert "a-model, mean state: peak 1.00 after block 2 of 0–5, block 2 alone" in caption
