import pytest

from tests.helpers.example_rows import outcome_of, scored_rows, task_rows
from tests.helpers.recorded import Recorded, Told
from tvsight.experiments.layer_sweep import NAME, Options, report


@pytest.mark.parametrize("score", ["gap", "kl", "rank"])
def test_a_score_is_drawn_against_the_block(score: str) -> None:
    drawn = Recorded(NAME)
    rows = scored_rows()
    outcome = outcome_of(*(rows[rows["task"] == name] for name in ("one", "two")))
    report.draw(outcome, Options(score=score), Told(), drawn)
    assert list(drawn.tables) == ["layer_sweep_scores"]
    assert list(drawn.figures) == ["layer_sweep_scores"]


def test_results_without_scores_are_left_out_or_said() -> None:
    old = task_rows("old", (0, 9, 5, 5))
    for results, drawn_figures in (((scored_rows(), old), ["layer_sweep_scores"]), ((old,), [])):
        drawn, display = Recorded(NAME), Told()
        report.draw(outcome_of(*results), Options(score="gap"), display, drawn)
        assert list(drawn.figures) == drawn_figures
        assert ("No result has scores" in display.text) == (not drawn_figures)
