import pytest

from tests.helpers.example_rows import outcome_of, scored_rows, task_rows
from tests.helpers.recorded import Recorded, Told
from tvsight.errors import UsageError
from tvsight.experiments import layer_sweep
from tvsight.experiments.main_results import NAME, Options, report, score_report
from tvsight.output.page import Page


def outcome():
    rows = scored_rows()
    return outcome_of(*(rows[rows["task"] == name] for name in ("one", "two")))


def test_the_table_is_written_where_rows_have_scores() -> None:
    recorded, display = Recorded(NAME), Told()
    score_report.draw(task_rows("old", (0, 9, 5, 5)), Options(), Page(display, recorded))
    assert (recorded.tables, display.text) == ({}, "")
    score_report.draw(scored_rows(), Options(), Page(display, recorded))
    (cells,) = recorded.cells[f"{NAME}_scores"]
    shown = cells.set_index("Procedure")
    assert shown.loc["Task vector", "Gap"].startswith("3.00 [")
    assert shown.loc["Task vector", "KL recovered"].startswith("0.75 [")
    assert shown.loc["ICL", "Gap recovered"] == "–"
    assert recorded.escaped[f"{NAME}_scores"] == {"Model"}
    assert recorded.figures == {}


@pytest.mark.parametrize(
    ("score", "finding"),
    [
        ("gap", "The log-probability gap is -1.00 zero-shot, 3.00 with the task vector and 4.00"),
        ("kl", "The task vector removes 0.75 of the divergence from ICL: 0.50 nats are left of 2"),
        ("rank", "The mean rank of the answer is 50.12 zero-shot"),
    ],
)
def test_a_score_is_drawn_in_place_of_accuracy(score: str, finding: str) -> None:
    drawn = Recorded(NAME)
    report.draw(outcome(), Options(score=score), Told(), drawn)
    assert list(drawn.tables) == [f"{NAME}_scores", f"{NAME}_scores_means"]
    (plot,) = drawn.figures.values()
    assert list(drawn.figures) == [f"{NAME}_{score}_a-model"]
    assert plot.title.startswith(finding)
    assert "n = 20 test episodes" in plot.caption


def test_a_score_that_no_row_has_is_said_and_not_drawn() -> None:
    drawn, display = Recorded(NAME), Told()
    report.draw(outcome_of(task_rows("old", (0, 9, 5, 5))), Options(score="kl"), display, drawn)
    assert (drawn.tables, drawn.figures) == ({}, {})
    assert "No result has scores: nothing to draw." in display.text


def test_options_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(UsageError, match="--score kl is of answers of one token"):
        Options(score="kl", answer_tokens=8)
    with pytest.raises(UsageError, match="leave it or --score gap out"):
        layer_sweep.Options(score="gap", least_peak=0.5)
