import pandas as pd
import pytest

from tests.helpers.example_rows import outcome_of, swept_rows
from tests.helpers.recorded import Recorded, Told
from tvsight.experiments.layer_sweep import NAME, Options, report
from tvsight.experiments.main_results import request
from tvsight.experiments.main_results.layers import by_layer

RESULTS = (swept_rows("one", [0, 2, 4, 1]), swept_rows("two", [0, 4, 4, 3]))


def test_it_is_a_view_of_the_central_comparison() -> None:
    assert report.collect is request.collect


@pytest.mark.parametrize("paper_curves", [False, True])
def test_the_papers_curves_are_drawn_when_they_are_wanted(paper_curves: bool) -> None:
    drawn, display = Recorded(NAME), Told()
    report.draw(outcome_of(*RESULTS), Options(paper_curves=paper_curves), display, drawn)
    assert set(drawn.figures) == {"layer_sweep", "layer_sweep_by_task_a-model"}
    labels = [str(line.get_label()) for line in drawn.figures["layer_sweep"].figure.axes[0].lines]
    assert labels[0] == "a-model"
    assert sum("(paper)" in label for label in labels) == 3 * paper_curves
    assert "LLaMA 7B (paper)" in display.text


def test_the_table_holds_every_cell_and_its_texts_the_peaks() -> None:
    drawn = Recorded(NAME)
    report.draw(outcome_of(*RESULTS), Options(), Told(), drawn)
    pd.testing.assert_frame_equal(drawn.tables["layer_sweep"], by_layer(pd.concat(RESULTS)))
    (peaks,) = drawn.cells["layer_sweep"]
    assert peaks.iloc[0].to_dict() == {
        "Model": "a-model",
        "Blocks": "4",
        "Peak after block": "2",
        "Mean dev accuracy there": "1.00",
        "Near the peak": "2 to 2",
    }
    assert drawn.escaped["layer_sweep"] >= {"Model", "Task"}
