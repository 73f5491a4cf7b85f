import pytest
from matplotlib.figure import Figure

from tests.helpers.legible import assert_legible
from tvsight.output.placing import name_points
from tvsight.output.plots import Plot
from tvsight.output.theme import new_figure


def named(points: dict[str, tuple[float, float]]) -> Figure:
    figure = new_figure(4, 4)
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="x", ylabel="y")
    name_points(figure, axes, {name: (*place, "black") for name, place in points.items()})
    return figure


@pytest.mark.parametrize("apart", [0.2, 0.05, 0.01])
def test_names_cover_no_other_name_however_near_points_are(apart: float) -> None:
    points = {f"a task {n}": (0.5 + apart * (n % 3), 0.5 + apart * (n // 3)) for n in range(6)}
    figure = named(points)
    assert [text.get_text() for text in figure.axes[0].texts if text.get_text() in points]
    assert_legible(Plot(figure, "a finding", "a caption"))


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
