from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.legible import assert_legible
from tvsight.output.panels import block_ticks, category_strip, label_ends, line, panels, spread
from tvsight.output.plots import Plot
from tvsight.output.procedures import CENTRAL, title
from tvsight.output.theme import new_figure


@pytest.mark.parametrize(
    ("depth", "marked", "ticks"),
    [
        (1, (), [0]),
        (4, (), [0, 1, 2, 3]),
        (12, (5,), list(range(12))),
        (18, (), [0, 2, 4, 6, 8, 10, 12, 14, 17]),
        (18, (11,), [0, 2, 4, 6, 8, 11, 14, 17]),
        (18, (16,), [0, 2, 4, 6, 8, 10, 12, 14, 16]),
        (80, (41,), [0, 7, 14, 21, 28, 41, 49, 56, 63, 70, 79]),
    ],
)
def test_ticks_name_the_marked_block_and_the_last(
    depth: int, marked: tuple[int, ...], ticks: list[int]
) -> None:
    assert block_ticks(depth, marked) == ticks


def test_a_narrow_panel_has_fewer_ticks() -> None:
    assert block_ticks(18, most=6) == [0, 3, 6, 9, 12, 17]


VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8).map(sorted)


@given(VALUES)
def test_places_keep_their_order_their_gap_and_the_range(places: list[float]) -> None:
    found = spread(places, 0.1, 0, 1)
    assert all(after - before > 0.1 - 1e-9 for before, after in pairwise(found))
    assert found[0] > 0.05 - 1e-9
    assert found[-1] < 0.95 + 1e-9


def test_places_move_no_more_than_they_must() -> None:
    assert spread([0.2, 0.5, 0.8], 0.1, 0, 1) == pytest.approx([0.2, 0.5, 0.8])
    assert spread([0.5, 0.5], 0.1, 0, 1) == pytest.approx([0.45, 0.55])
    assert spread([0.0, 0.02, 0.9], 0.1, 0, 1) == pytest.approx([0.05, 0.15, 0.9])


def test_names_stand_at_the_ends_of_their_lines() -> None:
    figure, (axes,) = panels(1, 3, 0.3)
    last = pd.DataFrame({"procedure": CENTRAL, "accuracy": [0.1, 0.75, 0.74, 0.76]})
    ends: dict[str, tuple[float, str]] = {}
    for name, accuracy in last.itertuples(index=False):
        whole = {f"accuracy{end}": accuracy for end in ("", "_low", "_high")}
        ends |= line(axes, pd.DataFrame([{"x": 0, **whole}] * 2), "x", name, title(name))
    label_ends(figure, axes, ends)
    texts = {text.get_text(): text for text in axes.texts}
    order = ["baseline", "task_vector", "icl", "averaged_vector"]
    assert list(texts) == list(map(title, order))
    assert [text.xy[1] for text in texts.values()] == [0.1, 0.74, 0.75, 0.76]
    assert texts["Baseline"].get_position()[1] == pytest.approx(0.1)
    assert_legible(Plot(figure, "A title", "A caption.", "A note."))


@pytest.mark.parametrize(
    ("side", "shown"), [(3.0, ["algorithmic", "knowledge"]), (0.9, ["knowledge"])]
)
def test_a_strip_has_whole_names_of_categories_or_none(side: float, shown: list[str]) -> None:
    axes = new_figure(4, 1).subplots()
    category_strip(axes, ["algorithmic", *["knowledge"] * 3], side, upright=True)
    assert [text.get_text() for text in axes.texts] == shown
    assert len(axes.patches) == 2
