import pandas as pd
import pytest

from tests.helpers.control_rows import CATEGORIES, one_task, outcome, three_tasks
from tests.helpers.recorded import Recorded, Told
from tests.helpers.vector_examples import ONE, vector_set
from tvsight.experiments.controls.numbers import transfer
from tvsight.experiments.controls.request import collect
from tvsight.experiments.main_results.vector_sets import VectorSet
from tvsight.experiments.transfer_geometry import NAME, Options, numbers, report
from tvsight.run.outcome import Outcome


def written(
    monkeypatch: pytest.MonkeyPatch, results: Outcome, *sets: VectorSet
) -> tuple[Recorded, Told]:
    drawn, display = Recorded(NAME), Told()
    monkeypatch.setattr(report, "vector_sets", lambda outcome, options: list(sets))
    report.draw(results, Options(), display, drawn)
    return drawn, display


def test_it_is_a_view_of_the_controls_and_the_central_comparison() -> None:
    assert report.collect is collect


def test_texts_are_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    given = vector_set(CATEGORIES)
    drawn, _ = written(monkeypatch, outcome(*three_tasks()), given)
    pairs = numbers.pairs(transfer(*three_tasks()), [given])
    pd.testing.assert_frame_equal(drawn.tables[f"{NAME}_pairs"], pairs)
    pd.testing.assert_frame_equal(drawn.tables[NAME], numbers.correlations(pairs))
    (cells,) = drawn.cells[NAME]
    assert cells["Ranked"].tolist() == ["all pairs", "within each task"]
    assert cells[["Tasks", "Pairs", "Block"]].to_numpy().tolist() == [["3", "6", "3"]] * 2
    first = drawn.tables[NAME].iloc[0]
    assert cells["Rank correlation"].iloc[0].startswith(f"{first['correlation']:.2f}")
    assert cells["p (Mantel)"].iloc[0] == f"{first['correlation_p']:.1g}"
    (tasks,) = drawn.cells[f"{NAME}_by_task"]
    distance = pairs.set_index(["task", "source"]).loc[("one", "two"), "distance"]
    assert tasks.iloc[0].to_dict() == {
        "Model": "a-model",
        "Category": "algorithmic",
        "Task": "one",
        "Own mean vector": "0.75",
        "Nearest other task": "two",
        "Distance": f"{distance:.2f}",
        "Its accuracy": "0.50 [0.30, 0.70]",
        "Better": "0 of 1",
    }
    assert drawn.escaped[NAME] >= {"Model", "Task", "Nearest other task"}
    assert set(drawn.figures) == {NAME}


def test_a_model_without_controls_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    central, rows = three_tasks()
    other = central.assign(model="b-model")
    both = outcome(pd.concat([central, other], ignore_index=True), rows)
    sets = [vector_set(CATEGORIES), vector_set(CATEGORIES, model="b-model")]
    drawn, display = written(monkeypatch, both, *sets)
    assert "b-model has no controls, so transfer is not known." in display.text
    assert set(drawn.tables[f"{NAME}_pairs"]["model"]) == {"a-model"}
    assert len(drawn.figures[NAME].figure.axes) == 1
    drawn, display = written(monkeypatch, outcome(central), sets[0])
    assert "a-model has no controls" in display.text
    assert not drawn.tables


def test_one_task_has_nothing_to_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, display = written(monkeypatch, outcome(*one_task()), vector_set(ONE))
    assert "One task has no other task's vector" in display.text
    assert not drawn.tables
