import pandas as pd
import pytest

from tests.helpers.example_rows import outcome_of
from tests.helpers.golden import assert_golden
from tests.helpers.legible import assert_legible
from tests.helpers.recorded import Recorded, Told
from tests.helpers.template_rows import VECTORS, variant_rows
from tvsight.experiments.templates import NAME, Options, figures, numbers
from tvsight.experiments.templates.report import draw

RESULTS = (variant_rows("one"), variant_rows("two", 4, 8), variant_rows("one", 2, model="b-model"))


def drawn(*results: pd.DataFrame) -> tuple[Recorded, str]:
    """What is drawn, and what is printed."""
    files, display = Recorded(NAME), Told()
    draw(outcome_of(*results), Options(), display, files)
    return files, display.text


@pytest.fixture(scope="module")
def files() -> Recorded:
    return drawn(*RESULTS)[0]


def test_figures_are_those_of_before_and_legible(files: Recorded) -> None:
    parts = ("templates", "templates_dummy_queries")
    names = [f"{part}_{model}" for part in parts for model in ("a-model", "b-model")]
    assert list(files.figures) == names
    for part in parts:
        plot = files.figures[f"{part}_a-model"]
        assert_golden(part, plot)
        assert_legible(plot)
    assert "One task has no interval" in files.figures["templates_b-model"].note


def test_one_template_alone_is_drawn() -> None:
    rows = variant_rows("one")
    own = (rows["applied_under"] == "example") & (rows["extracted_under"] != "arrow")
    files, printed = drawn(rows[own])
    assert "The same by dummy queries" in printed
    plot = files.figures["templates_a-model"]
    assert plot.title == "a-model: the task vector answers with an accuracy of 0.70"
    plot = files.figures["templates_dummy_queries_a-model"]
    assert (
        plot.title == "a-model: dummy queries of another task cost 0.40 of accuracy and leave 0.30"
    )
    assert set(files.cells["templates"][0]["Block (range)"]) == {"10"}
    assert figures._written_out(r"in:{x} out:{y}\n") == "in:x out:y"
    assert figures._written_out("question") == "question\nQ:x / A:y"


def test_tables_say_the_numbers(files: Recorded) -> None:
    table = numbers.by_variant(pd.concat(RESULTS, ignore_index=True))
    pd.testing.assert_frame_equal(files.tables["templates_by_task"], table)
    (matrix,), (dummies,) = files.cells["templates"], files.cells["templates_dummy_queries"]
    assert matrix["Model"].tolist() == ["a-model"] * 4 + ["b-model"] * 4
    said = matrix.iloc[2].tolist()
    assert said[:6] == ["a-model", "example", "arrow", "0.05", "0.85", "0.35 [0.25, 0.45]"]
    assert matrix.iloc[2][["Gain over baseline", "Against own", "Block (range)"]].tolist() == [
        *("0.30 [0.20, 0.40]", "-0.20 [-0.20, -0.20]", "9 (8–10)")
    ]
    assert said[-3:-1] == ["1 of 2 (1 of 2)", "0 of 2 (0 of 2)"]
    model_rows = dummies[dummies["Model"] == "a-model"]
    choices = ["of the task"] * 3 + ["of another task", "the query itself"]
    assert model_rows["Dummy queries"].tolist() == choices
    assert model_rows["Number"].tolist() == ["1", "2", "8", "2", "1"]
    (cells,) = files.cells["templates_by_task"]
    assert len(cells) == 3 * sum(variant[2:] == (2, "task") for variant in VECTORS)
    assert cells.iloc[0][["Baseline", "ICL", "n (queries)"]].tolist() == ["0.05", "0.85", "20 (20)"]
    assert cells["Task vector @ block"].iloc[0].startswith("0.65 [")
    assert cells["Task vector @ block"].iloc[4].endswith("] @8")
    foreign = {"Model", "Category", "Task", "Extracted under", "Applied under"}
    for name, escaped in files.escaped.items():
        assert escaped >= foreign & {column for cells in files.cells[name] for column in cells}
