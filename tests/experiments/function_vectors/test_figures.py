from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tests.helpers.function_vector_rows import (
    COSINES,
    SIZE,
    Tables,
    eighteen_tasks,
    one_task,
    three_tasks,
)
from tests.helpers.legible import assert_legible
from tvsight.experiments.function_vectors import figures, numbers
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES, title
from tvsight.protocol import head_numbers


def head_map(tables: Tables) -> tuple[Plot, pd.DataFrame]:
    effects = head_numbers.effects(tables.effects)
    heads = head_numbers.universal(effects, SIZE)
    return figures.head_map(heads, effects, "a-model", SIZE), heads


def by_heads(tables: Tables) -> tuple[Plot, pd.DataFrame, pd.DataFrame]:
    means = numbers.over_tasks(numbers.by_task(tables.central, tables.vectors, SIZE))
    curve = numbers.curve(tables.vectors)
    return figures.by_heads(curve, means, SIZE), curve, means


def shared_heads(tables: Tables) -> Plot:
    pairs = head_numbers.overlap(head_numbers.effects(tables.effects), SIZE)
    return figures.shared_heads(pairs, "a-model", SIZE)


def test_cosines_are_drawn_by_block() -> None:
    plot = figures.similarity(numbers.cosines(three_tasks().vectors))
    (axes,) = plot.figure.axes
    lines = {str(line.get_label()): list(line.get_ydata()) for line in axes.lines}
    assert lines["As they are"] == pytest.approx(COSINES)
    centred = [value / 2 for value in COSINES]
    assert lines["Without the mean over tasks"] == pytest.approx(centred)
    assert f"at most {max(centred):.2f}" in plot.title
    assert_legible(plot)


def test_the_map_has_a_cell_per_head_and_names_the_largest() -> None:
    plot, heads = head_map(three_tasks())
    axes = plot.figure.axes[0]
    drawn = axes.collections[0].get_array().reshape(4, 2)
    for _, head in heads.iterrows():
        assert drawn[3 - head["head"], head["layer"]] == pytest.approx(head["effect"])
    assert axes.texts[0].get_text() == "0.0"
    assert len(axes.texts) == figures.NAMED
    assert plot.title == (
        "Head 0 of block 0 has the largest mean effect, 0.30; it is in the vectors of 3 of 3 tasks"
    )
    assert "8 heads were searched" in plot.note


def test_the_curve_stands_beside_levels_and_controls() -> None:
    plot, curve, means = by_heads(three_tasks())
    (axes,) = plot.figure.axes
    lines = {str(line.get_label()): line for line in axes.lines}
    (drawn,) = [line for line in axes.lines if len(line.get_xdata()) == len(curve)]
    assert list(drawn.get_xdata()) == curve["heads"].tolist()
    assert list(drawn.get_ydata()) == pytest.approx(curve["accuracy"].tolist())
    accuracy = means.set_index("procedure")["accuracy"]
    for name in figures.LEVELS:
        assert list(lines[title(name)].get_ydata()) == [accuracy[name]] * 2
    for place, name in enumerate(numbers.CONTROLS):
        line = lines[title(name)]
        assert list(line.get_xdata()) == pytest.approx([SIZE * figures.APART ** (place - 2)])
        assert list(line.get_ydata()) == [accuracy[name]]
        assert line.get_marker() == PROCEDURES[name].marker
        assert not line.get_clip_on()
    assert plot.title == (
        "a-model: function vectors of 2 heads, added with α = 1, answer 0.60; task vectors, "
        "written over, 0.75"
    )


def test_shared_heads_are_a_symmetric_map_with_an_empty_diagonal() -> None:
    plot = shared_heads(three_tasks())
    drawn = plot.figure.axes[0].collections[0].get_array().reshape(3, 3)
    values = np.ma.filled(np.ma.asarray(drawn).astype(float), np.nan)
    assert np.isnan(np.diag(values)).all()
    off = values[~np.eye(3, dtype=bool)]
    assert off.tolist() == [1] * 6
    assert plot.title == "Two tasks share 1.00 of 2 heads on average, where chance is 0.50"
    assert "0 of 3 pairs share more" in plot.caption
    ticks = plot.figure.axes[1].get_yticks()
    assert ticks.tolist() == [0, 1, 2]


@pytest.mark.parametrize("tables", [eighteen_tasks, three_tasks, one_task])
def test_texts_can_be_read(tables: Callable[[], Tables]) -> None:
    assert_legible(head_map(tables())[0])
    assert_legible(by_heads(tables())[0])


@pytest.mark.parametrize("tables", [eighteen_tasks, three_tasks])
def test_texts_of_the_shared_heads_can_be_read(tables: Callable[[], Tables]) -> None:
    assert_legible(shared_heads(tables()))
