from dataclasses import replace

import pytest

from tests.helpers.example_rows import outcome_of, task_rows
from tests.helpers.recorded import Recorded, Told
from tests.helpers.vector_examples import FOUR, ONE, vector_set
from tvsight.experiments.vector_clusters import NAME, Options, report
from tvsight.experiments.vector_clusters.numbers import by_task
from tvsight.protocol.vector_sets import VectorSet


def written(monkeypatch: pytest.MonkeyPatch, *sets: VectorSet) -> tuple[Recorded, Told]:
    drawn, display = Recorded(NAME), Told()
    monkeypatch.setattr(report, "vector_sets", lambda outcome, options, vector: list(sets))
    report.draw(outcome_of(task_rows("one", (1, 2, 3, 4))), Options(perplexity=4), display, drawn)
    return drawn, display


def test_texts_are_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    given = vector_set(FOUR, n=6, spread=0.01)
    drawn, _ = written(monkeypatch, given)
    (cells,) = drawn.cells[NAME]
    assert cells.iloc[0].drop("Silhouette").to_dict() == {
        "Model": "a-model",
        "Block": "3",
        "Grouped by": "task (4)",
        "Distance": "Euclidean",
        "Vectors": "as they are",
        "Nearest centroid": "1.00 [0.86, 1.00]",
        "Chance": "0.24",
        "n (units)": "24 (24)",
    }
    assert cells["Silhouette"].tolist()[2::3] == ["–"] * 3
    assert cells["Vectors"].tolist()[3::3] == ["as they are", "mean subtracted"]
    (tasks,) = drawn.cells[f"{NAME}_by_task"]
    for column in report.LEFT_OUT_COLUMNS.values():
        assert tasks[column].tolist() == ["1.00"] * 4
    assert len(drawn.tables[f"{NAME}_distances"]) == 4 * 3
    assert tasks["Taken for"].tolist() == tasks["Share"].tolist() == ["–"] * 4
    assert tasks["n (queries)"].tolist() == ["6 (6)"] * 4
    assert drawn.escaped[f"{NAME}_by_task"] >= {"Model", "Category", "Task", "Taken for"}


def test_a_task_is_taken_for_another_one_with_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    given = vector_set(FOUR, n=6, spread=9)
    drawn, _ = written(monkeypatch, given)
    (tasks,) = drawn.cells[f"{NAME}_by_task"]
    for cells, (_, row) in zip(tasks.to_dict("records"), by_task(given).iterrows(), strict=True):
        assert cells["Taken for"] == row["taken_for"]
        assert cells["Share"] == f"{row['taken_for_share']:.2f}"


def test_few_vectors_have_tables_but_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    few = replace(vector_set(ONE, n=3), model="b-model")
    drawn, display = written(monkeypatch, vector_set(FOUR, n=3), few)
    assert set(drawn.figures) == {f"{NAME}_a-model"}
    assert "b-model: 3 vectors are too few for t-SNE." in display.text
    assert "By task: one task is all there is." in display.text
    assert set(drawn.tables[NAME]["model"]) == {"a-model", "b-model"}
    assert set(drawn.tables[f"{NAME}_points"]["model"]) == {"a-model"}
    drawn, _ = written(monkeypatch, few)
    assert set(drawn.tables) == {NAME, f"{NAME}_by_task", f"{NAME}_distances"}
    assert drawn.tables[f"{NAME}_distances"].empty
    assert not drawn.figures
