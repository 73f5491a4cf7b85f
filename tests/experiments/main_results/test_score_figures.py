import matplotlib.pyplot as plt
import pytest

from tests.helpers.example_rows import scored_rows
from tests.helpers.legible import assert_legible
from tvsight.experiments.main_results import score_figures, score_numbers
from tvsight.experiments.main_results.score_numbers import SCORES


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.mark.parametrize("name", SCORES)
def test_every_task_and_the_mean_has_its_line(name: str) -> None:
    table = score_numbers.by_task(scored_rows())
    means = score_numbers.over_tasks(table)
    plot = score_figures.by_task(table, means, SCORES[name], "a-model")
    (axes,) = plot.figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "two",
        "one",
        "Mean over tasks",
    ]
    drawn = {line.get_label(): line for line in axes.lines}
    of_vector = table[table["procedure"] == "task_vector"]
    values = sorted(of_vector[SCORES[name].column])
    assert sorted(drawn["Task vector"].get_xdata()) == pytest.approx(values)
    assert axes.get_xscale() == ("log" if name == "rank" else "linear")
    assert_legible(plot)
