from collections.abc import Callable

import pytest

from tests.helpers.function_vector_rows import Tables, eighteen_tasks, three_tasks
from tests.helpers.legible import assert_legible
from tvsight.experiments.main_results import method_figures, method_numbers
from tvsight.output.plots import Plot
from tvsight.output.procedures import title


def drawn(tables: Tables) -> Plot:
    table = method_numbers.by_task(tables.central)
    return method_figures.methods(table, method_numbers.over_tasks(table), "a-model")


def test_a_task_has_a_dot_per_method_and_a_method_its_gap() -> None:
    plot = drawn(three_tasks())
    left, right = plot.figure.axes[:2]
    accuracy = {"baseline": 0.1, "icl": 0.9, "task_vector": 0.75, "mean_state": 0.45}
    for name, value in accuracy.items():
        (label,) = [line for line in left.lines if line.get_label() == title(name)]
        dots = [
            float(x)
            for line in left.lines
            if line is not label
            and line.get_marker() == label.get_marker()
            and line.get_color() == label.get_color()
            for x in line.get_xdata()
        ]
        assert dots == pytest.approx([value] * 3)
    said = [text.get_text().split("\n") for text in right.get_yticklabels()]
    assert [name for name, _ in said] == ["Mean state, added", "Averaged vector", "Task vector"]
    assert said[0][1].startswith("0.44 [")
    assert plot.title == (
        "Recovered gap: task vector 0.81, averaged vector 0.75, mean state, added 0.44"
    )


@pytest.mark.parametrize("tables", [eighteen_tasks, three_tasks])
def test_texts_can_be_read(tables: Callable[[], Tables]) -> None:
    assert_legible(drawn(tables()))
