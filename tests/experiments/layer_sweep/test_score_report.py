import pytest

from tests.helpers.example_rows import outcome_of, scored_rows
from tests.helpers.recorded import Recorded, Told
from tvsight.experiments.layer_sweep import NAME, Options, report


@pytest.mark.parametrize(
    ("score", "finding"),
    [
        ("gap", "Log-probability gap (nats): highest, 3.00, after block 3 of 0–5; -1.00 without"),
        ("kl", "KL to ICL (nats): lowest, 0.50, after block 3 of 0–5; 2.00 without a vector"),
        ("rank", "Rank of the answer: lowest, 1.00, after block 0 of 0–5; 100.00 without"),
    ],
)
def test_a_score_is_drawn_against_the_block(score: str, finding: str) -> None:
    drawn = Recorded(NAME)
    rows = scored_rows()
    outcome = outcome_of(*(rows[rows["task"] == name] for name in ("one", "two")))
    report.draw(outcome, Options(score=score), Told(), drawn)
    assert list(drawn.tables) == ["layer_sweep_scores"]
    assert list(drawn.figures) == [f"layer_sweep_{score}"]
    assert drawn.figures[f"layer_sweep_{score}"].title.startswith(finding)
