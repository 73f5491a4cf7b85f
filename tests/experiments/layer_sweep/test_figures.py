from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from tests.experiments.main_results.test_layers import swept
from tvsight.experiments.layer_sweep.figures import curves, heat_map
from tvsight.experiments.main_results.layers import by_layer, over_tasks, paper_by_layer
from tvsight.output.theme import save


@pytest.fixture
def table() -> pd.DataFrame:
    return by_layer(pd.concat([swept("one", [0, 2, 4, 1]), swept("two", [0, 4, 4, 3])]))


def lines(figure: Figure, panel: int) -> dict[str, list[float]]:
    return {str(line.get_label()): list(line.get_ydata()) for line in figure.axes[panel].lines}


def test_both_panels_draw_the_means(table: pd.DataFrame) -> None:
    figure = curves(table)
    expected = over_tasks(table)["accuracy"].tolist()
    assert lines(figure, 0) == lines(figure, 1) == {"a-model": expected}
    (left,), (right,) = figure.axes[0].lines, figure.axes[1].lines
    assert list(left.get_xdata()) == [0, 1, 2, 3]
    assert list(right.get_xdata()) == [0.25, 0.5, 0.75, 1]


def test_the_papers_curves_are_an_overlay(table: pd.DataFrame) -> None:
    drawn = lines(curves(table, paper_by_layer()), 0)
    names = {"GPT-J 6B (paper)", "LLaMA 7B (paper)", "Pythia 6.9B (paper)"}
    assert set(drawn) == {"a-model"} | names
    paper = over_tasks(paper_by_layer())
    llama = paper[paper["model"] == "llama-7b"]["accuracy"].tolist()
    assert drawn["LLaMA 7B (paper)"] == llama


def test_the_heat_map_holds_every_cell_and_marks_the_chosen(table: pd.DataFrame) -> None:
    figure = heat_map(table, "a-model")
    cells = figure.axes[0].collections[0].get_array()
    assert cells.ravel().tolist() == [0, 0.5, 1, 0.25, 0, 1, 1, 0.75]
    (dots,) = figure.axes[0].lines
    assert list(zip(dots.get_xdata(), dots.get_ydata(), strict=True)) == [(2.5, 0.5), (1.5, 1.5)]


def test_the_same_table_gives_the_same_files(table: pd.DataFrame, tmp_path: Path) -> None:
    first = [path.read_bytes() for path in save(curves(table), tmp_path, "one")]
    assert [path.read_bytes() for path in save(curves(table), tmp_path, "two")] == first
