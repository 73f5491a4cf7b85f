from tests.helpers.example_rows import task_rows
from tests.helpers.function_vector_rows import three_tasks
from tests.helpers.recorded import Recorded, Told
from tvsight.experiments.main_results import NAME, method_report
from tvsight.output.page import Page


def test_table_and_figure_are_written_where_there_are_further_methods() -> None:
    recorded, display = Recorded(NAME), Told()
    method_report.draw(three_tasks().central, Page(display, recorded))
    assert list(recorded.tables) == [f"{NAME}_methods"]
    assert list(recorded.figures) == [f"{NAME}_methods_a-model"]
    (cells,) = recorded.cells[f"{NAME}_methods"]
    by_method = cells.set_index("Method")
    assert list(by_method.index) == [
        *("Baseline", "ICL", "Task vector", "Averaged vector", "Mean state, added")
    ]
    assert by_method.loc["ICL", ["Recovered gap", "Block (median)"]].tolist() == ["–", "–"]
    own = by_method.loc["Mean state, added"]
    assert own["Accuracy"].startswith("0.45 [")
    assert own["Block (median)"] == "2"
    assert own["Beats baseline (Holm)"] == "3 of 3 (3 of 3)"
    assert recorded.escaped[f"{NAME}_methods"] == {"Model", "Method"}
    assert "Methods side by side" in display.text


def test_without_further_methods_nothing_is_written_unless_asked_for() -> None:
    rows = task_rows("one", (2, 18, 15, 14))
    recorded, display = Recorded(NAME), Told()
    method_report.draw(rows, Page(display, recorded))
    assert (recorded.tables, recorded.figures, display.text) == ({}, {}, "")
    method_report.draw(rows, Page(display, recorded), always=True)
    assert list(recorded.tables) == [f"{NAME}_methods"]
