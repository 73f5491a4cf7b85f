from tests.helpers.example_rows import outcome_of, task_rows, whole_rows
from tests.helpers.legible import assert_legible
from tests.helpers.recorded import Recorded, Told
from tvsight.config import RunConfig
from tvsight.experiments import layer_sweep, shots
from tvsight.experiments.layer_sweep import report as sweep_report
from tvsight.experiments.main_results import NAME, answers_report, report
from tvsight.experiments.shots import report as shots_report
from tvsight.output.page import Page
from tvsight.output.plots import Plot
from tvsight.run.outcome import Outcome


def test_the_table_of_whole_answers_has_a_place_of_its_own() -> None:
    recorded, display = Recorded(NAME), Told()
    rows = task_rows("one", (2, 18, 15, 14))
    assert answers_report.place(rows, recorded) is recorded
    page = Page(display, answers_report.place(whole_rows(), recorded))
    answers_report.draw(whole_rows(), page)
    name = f"{NAME}_answers_scores"
    assert list(recorded.tables) == [name, f"{name}_means"]
    (cells,) = recorded.cells[name]
    vector = cells.set_index("Procedure").loc["Task vector"]
    assert vector["Tasks"] == "2"
    assert vector["Exact"].startswith("0.70 [")
    assert vector["Log-probability"].startswith("-1.50 [")
    assert recorded.escaped[name] == {"Model"}
    assert "Scores of whole answers" in display.text


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
    assert len(drawn) == 6
    for name, plot in drawn.items():
        assert "accuracy (exact answers)" in labels(plot).lower().replace("\n", " "), name
        assert "(paper)" not in plot.caption
        assert_legible(plot)
    for name, wording in (recorded.wordings | sweep.wordings | of_shots.wordings).items():
        assert "(paper)" not in wording.note, name


def test_one_token_has_the_papers_words() -> None:
    recorded = Recorded(NAME)
    report.draw(outcome_of(task_rows("one", (2, 18, 15, 14))), RunConfig(), Told(), recorded)
    assert "exact" not in labels(recorded.figures[NAME])
    assert "(paper): reported by" in recorded.wordings[f"{NAME}_means"].note
