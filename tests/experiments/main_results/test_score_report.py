import pandas as pd
import pytest

from tests.helpers.example_rows import outcome_of, scored_rows, task_rows, whole_rows
from tests.helpers.legible import assert_legible
from tests.helpers.recorded import Recorded, Told
from tvsight.config import RunConfig
from tvsight.errors import UsageError
from tvsight.experiments import layer_sweep, shots
from tvsight.experiments.layer_sweep import report as sweep_report
from tvsight.experiments.main_results import NAME, Options, report, score_report
from tvsight.experiments.main_results.score_numbers import OF_ANSWERS, SCORES
from tvsight.experiments.shots import report as shots_report
from tvsight.output.page import Page
from tvsight.output.plots import Plot
from tvsight.run.outcome import Outcome


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


@pytest.mark.parametrize("score", ["gap", "kl", "rank"])
def test_a_score_is_drawn_in_place_of_accuracy(score: str) -> None:
    drawn = Recorded(NAME)
    report.draw(outcome(), Options(score=score), Told(), drawn)
    assert list(drawn.tables) == [f"{NAME}_scores", f"{NAME}_scores_means"]
    assert list(drawn.figures) == [f"{NAME}_{score}_a-model"]


def test_captions_say_which_tokens_are_an_answer() -> None:
    rows = scored_rows()
    of_one = rows["task"] == "one"
    before = rows.drop(columns="spellings")
    said: dict[str, list[str]] = {"new": [], "old": [], "both": []}
    for name, given in {
        "new": rows,
        "old": before,
        "both": pd.concat([rows[of_one], before[~of_one]]),
    }.items():
        for score in SCORES:
            recorded = Recorded(NAME)
            score_report.draw(given, Options(score=score), Page(Told(), recorded))
            said[name].append(recorded.figures[f"{NAME}_{score}_a-model"].caption)
        said[name].append(recorded.wordings[f"{NAME}_scores"].note)
    for new, old, both in zip(*said.values(), strict=True):
        assert "accept" in new
        assert "accept" not in old
        assert "earlier version" not in new + old
        assert "In 1 of 2 results, of an earlier version, an answer is the first token" in both


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


def test_the_table_of_whole_answers_has_a_place_of_its_own() -> None:
    recorded, display = Recorded(NAME), Told()
    assert score_report.place(task_rows("one", (2, 18, 15, 14)), recorded) is recorded
    page = Page(display, score_report.place(whole_rows(), recorded))
    score_report.draw(whole_rows(), Options(), page)
    name = f"{NAME}_answers_scores"
    assert list(recorded.tables) == [name, f"{name}_means"]
    means = recorded.tables[f"{name}_means"].set_index("procedure").loc["task_vector"]
    assert means[list(OF_ANSWERS)].tolist() == pytest.approx([0.7, 0.7, 0.85, -1.5])
    (cells,) = recorded.cells[name]
    vector = cells.set_index("Procedure").loc["Task vector"]
    assert vector["Tasks"] == "2"
    assert vector["Log-probability"].startswith("-1.50 [")
    assert recorded.escaped[name] == {"Model", "Always the same"}


def whole_outcome() -> Outcome:
    rows = whole_rows()
    return outcome_of(*(rows[rows["task"] == name] for name in ("one", "two")))


def labels(plot: Plot) -> str:
    """All names of axes and colour bars."""
    axes = plot.figure.axes
    return "; ".join(filter(None, (f"{one.get_xlabel()}; {one.get_ylabel()}" for one in axes)))


def test_accuracies_are_named_exact_and_nothing_is_said_of_the_paper() -> None:
    recorded = Recorded(NAME)
    report.draw(whole_outcome(), RunConfig(), Told(), recorded)
    sweep = Recorded(layer_sweep.NAME)
    sweep_report.draw(whole_outcome(), layer_sweep.Options(), Told(), sweep)
    of_shots = Recorded(shots.NAME)
    one, two = whole_outcome().labelled(shots=1), whole_outcome().labelled(shots=4)
    one.add(two)
    shots_report.draw(one, shots.Options(), Told(), of_shots)
    drawn = {**recorded.figures, **sweep.figures, **of_shots.figures}
    assert len(drawn) == 4
    for name, plot in drawn.items():
        assert "accuracy (exact answers)" in labels(plot).lower().replace("\n", " "), name
        assert "(paper)" not in plot.caption
        assert_legible(plot)
    for name, wording in (recorded.wordings | sweep.wordings | of_shots.wordings).items():
        assert "(paper)" not in wording.note, name


def test_one_token_has_the_papers_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "has_paper_tasks", lambda tasks: True)
    recorded = Recorded(NAME)
    report.draw(outcome_of(task_rows("one", (2, 18, 15, 14))), RunConfig(), Told(), recorded)
    assert "exact" not in labels(recorded.figures[NAME])
    assert "(paper): reported by" in recorded.wordings[f"{NAME}_means"].note
