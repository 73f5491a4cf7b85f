from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from tests.helpers.example_rows import outcome_of
from tests.helpers.recorded import Recorded, Told
from tests.helpers.vector_examples import FOUR, ONE, vector_set
from tvsight.experiments.vector_variability import NAME, Options, report
from tvsight.experiments.vector_variability.numbers import separations
from tvsight.output.labels import spread
from tvsight.protocol.vector_sets import AS_THEY_ARE, CENTRED, VectorSet


def written(
    monkeypatch: pytest.MonkeyPatch, *sets: VectorSet, **options: Any
) -> tuple[Recorded, Told]:
    drawn, display = Recorded(NAME), Told()
    monkeypatch.setattr(report, "vector_sets", lambda outcome, options: list(sets))
    report.draw(outcome_of(), Options(**options), display, drawn)
    return drawn, display


def test_texts_are_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    given = vector_set(FOUR, n=4)
    drawn, _ = written(monkeypatch, given)
    table = separations(given, "cosine")
    pd.testing.assert_frame_equal(drawn.tables[NAME], table)
    (cells,) = drawn.cells[NAME]
    assert cells["Task"].tolist() == [*FOUR, "pooled", "mean of tasks"]
    one = cells.iloc[0]
    row, after = (table[table["vectors"] == way].iloc[0] for way in (AS_THEY_ARE, CENTRED))
    assert one["Within"] == spread(row["within_mean"], row["within_deviation"])
    assert one["Overlap"] == f"{row['overlap']:.2f}"
    assert one["Overlap, mean subtracted"] == f"{after['overlap']:.2f}"
    low, high = row["superiority_low"], row["superiority_high"]
    assert one["P(between > within)"] == f"{row['superiority']:.2f} [{low:.2f}, {high:.2f}]"
    assert one["n (queries)"] == "4 (4)"
    assert drawn.escaped[NAME] >= {"Model", "Category", "Task"}


def test_euclidean_distances_have_one_treatment(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, _ = written(monkeypatch, vector_set(FOUR, n=4), distance="euclidean")
    assert set(drawn.tables[NAME]["vectors"]) == {AS_THEY_ARE}
    assert not [name for name in drawn.cells[NAME][0] if "subtracted" in name]
    assert len(drawn.figures[f"{NAME}_a-model"].figure.axes) == 2  # a histogram, and the tasks


def test_variants_show_the_mean_of_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, _ = written(monkeypatch, vector_set(FOUR, n=4))
    (cells,) = drawn.cells[f"{NAME}_variants"]
    table = drawn.tables[f"{NAME}_variants"]
    assert cells["Distance"].tolist() == ["Cosine", "Euclidean", "Cosine", "Cosine", "Euclidean"]
    means = table[table["task"] == "mean of tasks"].reset_index(drop=True)
    assert cells["Vectors"].tolist() == means["variant"].tolist()
    first = means.iloc[0]
    expected = f"{first['coordinate']} ({first['share']:.0%} of squared length)"
    assert cells.iloc[0]["Strongest coordinate"] == expected


def test_one_vector_has_a_table_and_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = replace(vector_set(ONE, n=1), model="b-model")
    drawn, display = written(monkeypatch, vector_set(FOUR, n=2), alone)
    assert set(drawn.figures) == {f"{NAME}_a-model"}
    assert "b-model: one vector has no distances." in display.text
    assert "With one task there are no distances to other tasks" in display.text
    assert set(drawn.tables[NAME]["model"]) == {"a-model", "b-model"}
    assert set(drawn.tables[f"{NAME}_histograms"]["model"]) == {"a-model"}
