from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from tests.helpers.control_rows import Tables, eighteen_tasks, three_tasks, two_tasks
from tests.helpers.legible import assert_legible
from tvsight.experiments.controls.numbers import transfer, transfer_by_task
from tvsight.experiments.controls.transfer_figures import matrix
from tvsight.output.labels import number, task_title
from tvsight.output.plots import Plot
from tvsight.output.theme import CATEGORY_COLOURS
from tvsight.tasks import in_order


def drawn_matrix(tables: Tables) -> tuple[Plot, pd.DataFrame, pd.DataFrame]:
    pairs = transfer(*tables)
    best = transfer_by_task(pairs)
    return matrix(pairs, best, "a-model"), pairs, best


@pytest.mark.parametrize("tables", [eighteen_tasks, two_tasks, three_tasks])
def test_cells_are_the_accuracies_and_say_them(tables: Callable[[], Tables]) -> None:
    plot, pairs, best = drawn_matrix(tables())
    parts = {str(axes.get_label()): axes for axes in plot.figure.axes}
    axes, margin = parts["map"], parts["best"]
    order = in_order(dict(zip(pairs["task"], pairs["category"], strict=True)))
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == list(map(task_title, order))
    wanted = pairs.pivot(index="task", columns="source", values="accuracy").loc[order, order]
    assert np.array_equal(axes.images[0].get_array(), wanted)
    said = [text.get_text() for text in axes.texts]
    assert said == [number(value) if value else "·" for value in wanted.to_numpy().ravel()]
    framed = [(round(p.get_x() + 0.5), round(p.get_y() + 0.5)) for p in axes.patches]
    assert framed == [(place, place) for place in range(len(order))]
    of_best = best.set_index("task").loc[order]
    assert margin.images[0].get_array().ravel().tolist() == of_best["best"].tolist()


def test_the_best_other_task_is_named_and_marked_where_it_does_as_well() -> None:
    plot, _, _ = drawn_matrix(three_tasks())
    (margin,) = [axes for axes in plot.figure.axes if axes.get_label() == "best"]
    assert [label.get_text() for label in margin.get_yticklabels()] == ["three", "one ●", ""]
    assert plot.title == (
        "A task's own mean vector is better than the best other one, chosen on dev, on 2 of 3 tasks"
    )


def test_strips_name_the_categories_beside_their_tasks() -> None:
    plot, _, _ = drawn_matrix(three_tasks())
    for name in ("above", "beside"):
        (axes,) = [axes for axes in plot.figure.axes if axes.get_label() == name]
        assert [text.get_text() for text in axes.texts] == ["algorithmic", "knowledge"]
        colours = [to_hex(patch.get_facecolor()) for patch in axes.patches]
        assert colours == [CATEGORY_COLOURS[name] for name in ("algorithmic", "knowledge")]
        sizes = [max(patch.get_width(), patch.get_height()) for patch in axes.patches]
        assert sizes == [2, 1]


def test_tasks_of_a_category_stand_together() -> None:
    central, rows = three_tasks()
    mixed = pd.concat([rows[rows["task"] == name] for name in ("one", "three", "two")])
    (axes,) = [
        axes for axes in drawn_matrix((central, mixed))[0].figure.axes if axes.get_label() == "map"
    ]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "two", "three"]


@pytest.mark.parametrize("tables", [eighteen_tasks, two_tasks, three_tasks])
def test_texts_of_the_matrix_can_be_read(tables: Callable[[], Tables]) -> None:
    assert_legible(drawn_matrix(tables())[0], "full")
