from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.legible import assert_legible
from tests.helpers.template_rows import two_tasks
from tvsight.experiments.templates import figures
from tvsight.experiments.templates.figures import blocks
from tvsight.experiments.templates.numbers import (
    of_dummy_queries,
    of_templates,
    over_tasks,
    standard,
)
from tvsight.output.plots import Plot

MODEL = "a-model"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return two_tasks()


def matrix(table: pd.DataFrame) -> Plot:
    own = standard(table)
    return figures.matrix(MODEL, of_templates(over_tasks(table), own), table, own)


def dummy_queries(table: pd.DataFrame) -> Plot:
    own = standard(table)
    return figures.dummy_queries(MODEL, of_dummy_queries(over_tasks(table), own), table, own)


def test_blocks_are_written_as_median_and_range(table: pd.DataFrame) -> None:
    assert set(map(blocks, rows_of(over_tasks(table)))) == {"9 (8–10)"}
    alone = over_tasks(table[table["task"] == "one"])
    assert set(map(blocks, rows_of(alone))) == {"10"}


def rows_of(means: pd.DataFrame) -> list[pd.Series]:
    return [row for _, row in means.iterrows()]


def test_the_heat_map_holds_every_cell_and_its_references(table: pd.DataFrame) -> None:
    left, right, _ = matrix(table).figure.axes
    names = [label.get_text() for label in left.get_yticklabels()]
    assert names == [label.get_text() for label in left.get_xticklabels()] == ["arrow", "example"]
    cells, beside = (axes.collections[0].get_array().ravel() for axes in (left, right))
    assert cells.tolist() == pytest.approx([0.55, 0.35, 0.4, 0.6])
    assert [label.get_text() for label in right.get_xticklabels()] == ["ICL", "Baseline"]
    assert beside.tolist() == pytest.approx([0.85, 0.05, 0.9, 0.1])
    said = [text.get_text() for text in left.texts]
    assert said[1] == "0.35\n[0.25, 0.45]\nblock 9 (8–10)"
    assert right.texts[0].get_text() == "0.85\n[0.85, 0.85]"


def test_dummy_queries_are_drawn_by_number_and_by_choice(table: pd.DataFrame) -> None:
    figure = dummy_queries(table).figure
    left, right = figure.axes
    ((_, _, low_high),) = [bars.lines for bars in left.containers]
    (drawn,) = [line for line in left.lines if list(line.get_xdata()) == [0, 1, 2]][:1]
    assert list(drawn.get_ydata()) == pytest.approx([0.5, 0.6, 0.7])
    ends = [segment[:, 1].tolist() for segment in low_high[0].get_segments()]
    assert ends == [pytest.approx(each) for each in ([0.4, 0.6], [0.5, 0.7], [0.6, 0.8])]
    ticks = [label.get_text() for label in left.get_xticklabels()]
    assert ticks == [f"{number}\nblock 9\n(8–10)" for number in (1, 2, 8)]
    points = right.containers[0].lines[0]
    assert list(points.get_ydata()) == pytest.approx([0.6, 0.2, 0.8])
    ticks = [label.get_text().split("\nblock")[0] for label in right.get_xticklabels()]
    assert ticks == ["2 of the\ntask", "2 of another\ntask", "the query\nitself"]
    levels = {str(line.get_label()): line.get_ydata()[0] for line in left.lines}
    assert (levels["ICL"], levels["Baseline"]) == pytest.approx((0.9, 0.1))


def test_one_template_and_one_task_are_drawn(table: pd.DataFrame) -> None:
    own = (table["applied_under"] == "example") & (table["extracted_under"] != "arrow")
    alone = table[own & (table["task"] == "one")]
    left, _, _ = matrix(alone).figure.axes
    assert [text.get_text() for text in left.texts] == ["0.70\nblock 10"]
    assert "One task has no interval" in dummy_queries(alone).caption


def test_titles_name_the_ends_of_the_matrix_and_every_choice(table: pd.DataFrame) -> None:
    assert matrix(table).title == (
        "The task vector's accuracy lies between 0.35 (example applied under arrow) and 0.60 "
        "(example applied under example)"
    )
    assert dummy_queries(table).title == (
        "Dummy queries: 0.60 with 2 of the task, 0.20 with 2 of another task, 0.80 with the query "
        "itself"
    )


def test_every_text_can_be_read(table: pd.DataFrame) -> None:
    for draw in (matrix, dummy_queries):
        assert_legible(draw(table))


def test_the_same_table_gives_the_same_files(table: pd.DataFrame, tmp_path: Path) -> None:
    for number, draw in enumerate((matrix, dummy_queries)):
        first = [path.read_bytes() for path in draw(table).write(tmp_path, f"one{number}")]
        assert [path.read_bytes() for path in draw(table).write(tmp_path, "two")] == first
