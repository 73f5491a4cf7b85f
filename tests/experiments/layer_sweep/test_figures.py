from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from tests.helpers.example_rows import swept_rows
from tests.helpers.legible import assert_legible
from tvsight.experiments.layer_sweep import figures, numbers
from tvsight.experiments.main_results.layers import by_layer, over_tasks, paper_by_layer
from tvsight.output.plots import Plot


@pytest.fixture
def table() -> pd.DataFrame:
    return by_layer(pd.concat([swept_rows("one", [0, 2, 4, 1]), swept_rows("two", [0, 4, 4, 3])]))


def curves(table: pd.DataFrame, paper: bool = False) -> Plot:
    means = numbers.curves(table)
    return figures.curves(means, numbers.highest(means), table, paper)


def lines(figure: Figure, panel: int) -> dict[str, list[float]]:
    return {str(line.get_label()): list(line.get_ydata()) for line in figure.axes[panel].lines}


def test_both_panels_draw_the_means(table: pd.DataFrame) -> None:
    figure = curves(table).figure
    expected = over_tasks(table)["accuracy"].tolist()
    assert lines(figure, 0) == lines(figure, 1) == {"a-model": expected}
    (left,), (right,) = figure.axes[0].lines, figure.axes[1].lines
    assert list(left.get_xdata()) == [0, 1, 2, 3]
    assert list(right.get_xdata()) == [0.25, 0.5, 0.75, 1]


def test_the_caption_names_our_peaks_alone(table: pd.DataFrame) -> None:
    for paper in (False, True):
        plot = curves(table, paper)
        assert plot.title == "Mean dev accuracy peaks at 1.00 after block 2 of 0–3 (a-model)"
        assert " ".join(plot.caption.split()) == (
            "a-model: peak 1.00 after block 2 of 0–3, block 2 alone within 10 % of it; mean over 2 "
            "tasks, n = 4 dev episodes. Band: one standard deviation over tasks, as in the paper."
        )


def test_the_papers_curves_are_an_overlay(table: pd.DataFrame) -> None:
    figure = curves(table, paper=True).figure
    drawn = lines(figure, 0)
    names = {"GPT-J 6B (paper)", "LLaMA 7B (paper)", "Pythia 6.9B (paper)"}
    assert set(drawn) == {"a-model"} | names
    paper = over_tasks(paper_by_layer())
    llama = paper[paper["model"] == "llama-7b"]["accuracy"].tolist()
    assert drawn["LLaMA 7B (paper)"] == llama
    styles = {str(line.get_label()): line.get_linestyle() for line in figure.axes[0].lines}
    assert styles == {"a-model": "-"} | dict.fromkeys(names, "--")
    assert len({line.get_color() for line in figure.axes[0].lines}) == 4
    assert len(figure.axes[0].collections) == 1  # the band is ours


def test_the_heat_map_holds_every_cell_and_marks_the_chosen(table: pd.DataFrame) -> None:
    plot = figures.heat_map(table, "a-model")
    figure = plot.figure
    cells = figure.axes[0].collections[0].get_array()
    assert cells.ravel().tolist() == [0, 0.5, 1, 0.25, 0, 1, 1, 0.75]
    (dots,) = figure.axes[0].lines
    assert list(zip(dots.get_xdata(), dots.get_ydata(), strict=True)) == [(2.5, 0.5), (1.5, 1.5)]
    assert plot.title == "The block chosen for a task is most often block 1 of 0–3 (1 of 2 tasks)"


def test_every_text_can_be_read(table: pd.DataFrame) -> None:
    for plot in (curves(table, paper=True), figures.heat_map(table, "a-model")):
        assert_legible(plot)


def test_no_block_of_the_papers_curves_is_marked_as_chosen() -> None:
    (dots,) = figures.heat_map(paper_by_layer(), "llama-7b").figure.axes[0].lines
    assert len(dots.get_xdata()) == 0


def test_the_same_table_gives_the_same_files(table: pd.DataFrame, tmp_path: Path) -> None:
    first = [path.read_bytes() for path in curves(table).write(tmp_path, "one")]
    assert [path.read_bytes() for path in curves(table).write(tmp_path, "two")] == first
