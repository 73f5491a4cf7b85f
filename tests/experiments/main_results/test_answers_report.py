from tests.helpers.example_rows import task_rows, whole_rows
from tests.helpers.recorded import Recorded, Told
from tvsight.experiments.main_results import NAME, answers_report


def test_the_table_is_written_for_whole_answers_alone() -> None:
    recorded, display = Recorded(NAME), Told()
    rows = task_rows("one", (2, 18, 15, 14))
    assert answers_report.place(rows, recorded) is recorded
    answers_report.draw(rows, display, recorded)
    assert (recorded.tables, display.text) == ({}, "")
    answers_report.draw(whole_rows(), display, answers_report.place(whole_rows(), recorded))
    name = f"{NAME}_answers_scores"
    assert list(recorded.tables) == [name, f"{name}_means"]
    (cells,) = recorded.cells[name]
    vector = cells.set_index("Procedure").loc["Task vector"]
    assert vector["Tasks"] == "2"
    assert vector["Exact"].startswith("0.70 [")
    assert vector["Log-probability"].startswith("-1.50 [")
    assert recorded.escaped[name] == {"Model"}
    assert "Scores of whole answers" in display.text
