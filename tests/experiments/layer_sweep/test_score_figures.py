import matplotlib.pyplot as plt
import pytest

from tests.helpers.example_rows import scored_rows
from tests.helpers.legible import assert_legible
from tvsight.experiments.layer_sweep import score_figures
from tvsight.experiments.main_results import score_numbers
from tvsight.experiments.main_results.score_numbers import SCORES


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.mark.parametrize("name", SCORES)
def test_a_curve_has_every_block_and_the_level_without_a_vector(name: str) -> None:
    table = score_numbers.by_layer(scored_rows())
    means = score_numbers.layers_over_tasks(table)
    plot = score_figures.curves(table, means, SCORES[name])
    (axes,) = plot.figure.axes
    column = SCORES[name].column
    (line,) = [line for line in axes.lines if line.get_label() == "Task vector"]
    wanted = means[means["procedure"] == "task_vector"][column]
    assert list(line.get_ydata()) == pytest.approx(list(wanted))
    level = means[means["procedure"] == "baseline"][column].iloc[0]
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert [line.get_ydata()[0] for line in dashed] == pytest.approx([level])
    assert "Dashed: without a vector." in plot.caption
    assert_legible(plot)
