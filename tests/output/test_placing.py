from collections.abc import Sequence

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.helpers.legible import assert_legible
from tvsight.output.placing import name_points
from tvsight.output.plots import Plot
from tvsight.output.theme import new_figure


def named(
    points: dict[str, tuple[float, float]], nameless: Sequence[tuple[float, float]] = ()
) -> Figure:
    figure = new_figure(4, 4)
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="x", ylabel="y")
    coloured = {name: (*place, "black") for name, place in points.items()}
    name_points(figure, axes, coloured, nameless=nameless)
    return figure


@pytest.mark.parametrize("apart", [0.2, 0.05, 0.01])
def test_names_cover_no_other_name_however_near_points_are(apart: float) -> None:
    points = {f"a task {n}": (0.5 + apart * (n % 3), 0.5 + apart * (n // 3)) for n in range(6)}
    figure = named(points)
    assert [text.get_text() for text in figure.axes[0].texts if text.get_text() in points]
    assert_legible(Plot(figure, "a finding", "a caption"))


def test_a_crowd_in_a_corner_is_named_with_lines_that_cross_no_name() -> None:
    rng = np.random.default_rng(0)
    points = {f"a task {n}": tuple(0.75 + 0.25 * rng.random(2)) for n in range(10)}
    figure = named(points)
    assert_legible(Plot(figure, "a finding", "a caption"))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    boxes = {text.get_text(): Text.get_window_extent(text) for text in axes.texts}
    crossed = []
    for text in axes.texts:
        if text.arrow_patch is None:
            continue
        start = axes.transData.transform(text.xy)
        box = boxes[text.get_text()]
        end = (box.min + box.max) / 2
        along = start + np.linspace(0, 1, 200)[:, None] * (end - start)
        others = [other for name, other in boxes.items() if name != text.get_text()]
        crossed += [other for other in others if other.padded(-2).count_contains(along)]
    assert len(crossed) <= 1


def test_names_give_way_to_points_without_a_name() -> None:
    figure = named({"a long name": (0.5, 0.5)})
    figure.draw_without_rendering()
    (axes,) = figure.axes
    (alone,) = axes.texts
    box = axes.transData.inverted().transform(Text.get_window_extent(alone))
    beneath = [tuple(place) for place in np.linspace(*box, 8)]
    crowded = named({"a long name": (0.5, 0.5)}, beneath)
    crowded.draw_without_rendering()
    (moved,) = crowded.axes[0].texts
    places = crowded.axes[0].transData.transform(beneath)
    assert Text.get_window_extent(alone).padded(1).count_contains(places) == 8
    assert Text.get_window_extent(moved).count_contains(places) == 0


def test_names_stay_inside_the_axes() -> None:
    figure = named({"left and below": (0, 0), "right and above": (1, 1)})
    figure.draw_without_rendering()
    (axes,) = figure.axes
    room = axes.get_window_extent().padded(1)
    for text in axes.texts:
        box = text.get_window_extent()
        assert room.contains(*box.min)
        assert room.contains(*box.max)


def test_points_that_coincide_have_one_text() -> None:
    (text,) = named({"one": (0.5, 0.5), "two": (0.5, 0.5)}).axes[0].texts
    assert text.get_text() == "one, two"
