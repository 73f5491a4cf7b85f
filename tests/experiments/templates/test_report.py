import pandas as pd
import pytest

from tests.helpers.example_rows import outcome_of
from tests.helpers.recorded import Recorded, Told
from tests.helpers.template_rows import VECTORS, variant_rows
from tvsight.experiments.templates import NAME, Options, numbers, report, request

RESULTS = (variant_rows("one"), variant_rows("two", 4, 8), variant_rows("one", 2, model="b-model"))


@pytest.fixture(scope="module")
def drawing() -> tuple[Recorded, str]:
    """What is drawn, and what is printed."""
    drawn, display = Recorded(NAME), Told()
    report.draw(outcome_of(*RESULTS), Options(), display, drawn)
    return drawn, display.text


def test_all_results_are_collected() -> None:
    assert report.collect is request.collect


def test_numbers_are_the_matrix_the_dummy_queries_and_all_tasks(
    drawing: tuple[Recorded, str],
) -> None:
    drawn, printed = drawing
    table = numbers.by_variant(pd.concat(RESULTS, ignore_index=True))
    means, own = numbers.over_tasks(table), numbers.standard(table)
    expected = {
        "templates": numbers.of_templates(means, own),
        "templates_dummy_queries": numbers.of_dummy_queries(means, own),
        "templates_by_task": table,
    }
    assert set(drawn.tables) == set(expected)
    for name, numbers_of_table in expected.items():
        pd.testing.assert_frame_equal(drawn.tables[name], numbers_of_table)
    assert "Test accuracy, mean over tasks, by template" in printed
    assert "The same by dummy queries" in printed


def test_each_model_has_both_figures(drawing: tuple[Recorded, str]) -> None:
    drawn, _ = drawing
    assert list(drawn.figures) == [
        f"templates{part}_{model}"
        for part in ("", "_dummy_queries")
        for model in ("a-model", "b-model")
    ]
    notes = [plot.note for plot in drawn.figures.values()]
    assert [note.split(":")[0] for note in notes] == ["a-model", "b-model"] * 2


def test_texts_are_a_row_per_variant(drawing: tuple[Recorded, str]) -> None:
    drawn, _ = drawing
    (matrix,), (dummies,) = drawn.cells["templates"], drawn.cells["templates_dummy_queries"]
    assert matrix["Model"].tolist() == ["a-model"] * 4 + ["b-model"] * 4
    assert matrix.iloc[2].tolist() == [
        *("a-model", "example", "arrow", "0.05", "0.85", "0.35 [0.25, 0.45]"),
        *("0.30 [0.20, 0.40]", "-0.20 [-0.20, -0.20]", "9 (8–10)", "1 of 2", "0 of 2"),
    ]
    of_model = dummies[dummies["Model"] == "a-model"]
    assert of_model[["Number", "Dummy queries"]].to_numpy().tolist() == [
        *(["1", "of the task"], ["2", "of the task"], ["8", "of the task"]),
        *(["2", "of another task"], ["1", "the query itself"]),
    ]


def test_tasks_have_a_row_per_cell_and_a_column_per_choice(drawing: tuple[Recorded, str]) -> None:
    drawn, _ = drawing
    cells, choices = drawn.cells["templates_by_task"]
    assert len(cells) == 3 * sum(variant[2:] == (2, "task") for variant in VECTORS)
    assert cells.iloc[0][["Baseline", "ICL", "n (queries)"]].tolist() == ["0.05", "0.85", "20 (20)"]
    assert cells["Task vector @ block"].iloc[0].startswith("0.65 [")
    assert cells["Task vector @ block"].iloc[4].endswith("] @8")
    assert list(choices)[3:] == [
        *("1 of the task", "2 of the task", "8 of the task", "2 of another task"),
        "the query itself",
    ]
    assert choices[["Model", "Task"]].to_numpy().tolist() == [
        *(["a-model", "one"], ["a-model", "two"], ["b-model", "one"])
    ]


def test_words_from_elsewhere_are_escaped(drawing: tuple[Recorded, str]) -> None:
    drawn, _ = drawing
    foreign = {"Model", "Category", "Task", "Extracted under", "Applied under"}
    for name, escaped in drawn.escaped.items():
        assert escaped >= foreign & {column for cells in drawn.cells[name] for column in cells}
