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


def test_each_template_has_a_row_with_its_vectors_and_references(table: pd.DataFrame) -> None:
    (axes,) = matrix(table).figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["example\nexample:x->y", "arrow\nx->y"]
    points = {bars.get_label(): bars.lines[0] for bars in axes.containers}
    drawn = {
        name: dict(zip(map(round, line.get_ydata()), line.get_xdata(), strict=True))
        for name, line in points.items()
    }
    assert drawn == {
        "Vector from “arrow” prompts": {0: pytest.approx(0.4), 1: pytest.approx(0.55)},
        "Vector from “example” prompts": {0: pytest.approx(0.6), 1: pytest.approx(0.35)},
    }
    ticks = [lines.get_segments()[0][0].tolist() for lines in axes.collections[:4]]
    levels = sorted((round(place), value) for value, place in ticks)
    assert [value for _, value in levels] == pytest.approx([0.1, 0.9, 0.05, 0.85])


def test_the_title_names_the_best_and_the_worst_source(table: pd.DataFrame) -> None:
    assert matrix(table).title == (
        "Vectors from “arrow” prompts answer best (0.48 over the templates that they are "
        "applied under), from “example” prompts worst (0.47)"
    )


def test_dummy_queries_are_drawn_by_number_and_by_choice(table: pd.DataFrame) -> None:
    left, right = dummy_queries(table).figure.axes
    ((_, _, low_high),) = [bars.lines for bars in left.containers]
    (drawn,) = [line for line in left.lines if list(line.get_xdata()) == [0, 1, 2]][:1]
    assert list(drawn.get_ydata()) == pytest.approx([0.5, 0.6, 0.7])
    ends = [segment[:, 1].tolist() for segment in low_high[0].get_segments()]
    assert ends == [pytest.approx(each) for each in ([0.4, 0.6], [0.5, 0.7], [0.6, 0.8])]
    ticks = [label.get_text() for label in left.get_xticklabels()]
    assert ticks == ["1", "2", "8"]
    points = right.containers[0].lines[0]
    assert list(points.get_ydata()) == pytest.approx([0.6, 0.2, 0.8])
    hollow = [line for line in right.lines if line.get_markerfacecolor() == "white"]
    assert [line.get_xydata().tolist() for line in hollow] == [[[2, pytest.approx(0.8)]]]
    ticks = [" ".join(label.get_text().split()) for label in right.get_xticklabels()]
    assert ticks == [*("2 of the task", "2 of another task", "the query itself (upper bound)")]
    levels = {str(line.get_label()): line.get_ydata()[0] for line in left.lines}
    assert (levels["ICL"], levels["Baseline"]) == pytest.approx((0.9, 0.1))


def test_one_template_and_one_task_are_drawn(table: pd.DataFrame) -> None:
    own = (table["applied_under"] == "example") & (table["extracted_under"] != "arrow")
    alone = table[own & (table["task"] == "one")]
    (axes,) = matrix(alone).figure.axes
    assert [bars.get_label() for bars in axes.containers] == ["Vector from “example” prompts"]
    assert matrix(alone).title == "The task vector answers with an accuracy of 0.70"
    assert "One task has no interval" in dummy_queries(alone).note


def test_templates_of_the_users_are_written_out() -> None:
    assert figures._written_out(r"in:{x} out:{y}\n") == "in:x out:y"
    assert figures._written_out("question") == "question\nQ:x / A:y"


def test_no_text_is_cut_or_written_over(table: pd.DataFrame) -> None:
    for plot in (matrix(table), dummy_queries(table)):
        assert_legible(plot)


def test_the_same_table_gives_the_same_files(table: pd.DataFrame, tmp_path: Path) -> None:
    for number, draw in enumerate((matrix, dummy_queries)):
        first = [path.read_bytes() for path in draw(table).write(tmp_path, f"one{number}")]
        assert [path.read_bytes() for path in draw(table).write(tmp_path, "two")] == first
