from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import StepPatch

from tests.helpers.legible import assert_legible
from tests.helpers.vector_examples import FOUR, ONE, eighteen, vector_set
from tvsight.experiments.main_results.vector_sets import VectorSet
from tvsight.experiments.vector_variability.figures import NAMES, by_task, overall
from tvsight.experiments.vector_variability.numbers import POOLED, densities, separations
from tvsight.output.labels import task_title
from tvsight.output.plots import Plot
from tvsight.tasks import packaged_tasks

ALL = {name: task.category for name, task in packaged_tasks().items()}
CASES = {
    "18 tasks": eighteen(4),
    "1 task": vector_set(ONE, n=5),
    "2 tasks": vector_set({"a_task_with_a_name_that_is_rather_long": "custom", "b": "custom"}, n=2),
    "all tasks": vector_set(ALL, n=3),
    "4 tasks": vector_set(FOUR, n=3),
}


def drawn(given: VectorSet, centre: bool = False) -> tuple[Plot, Plot]:
    table, numbers = densities(given, "cosine"), separations(given, "cosine")
    return overall(table, numbers, given, centre), by_task(table, numbers, given, centre)


def assert_drawn(axes: Axes, given: VectorSet, task: str) -> None:
    table = densities(given, "cosine")
    for kind, name in NAMES.items():
        (steps,) = [p for p in axes.patches if isinstance(p, StepPatch) and p.get_label() == name]
        rows = table[(table["task"] == task) & (table["kind"] == kind)]
        assert steps.get_data().values == pytest.approx(rows["density"].to_numpy())
        assert steps.get_data().edges[:-1] == pytest.approx(rows["low"].to_numpy())


def test_the_first_figure_draws_all_distances() -> None:
    given = vector_set(FOUR, n=6)
    plot, _ = drawn(given)
    figure = plot.figure
    (axes,) = figure.axes
    assert_drawn(axes, given, POOLED)
    assert axes.get_xlabel() == "Cosine distance"
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["within a task", "to other tasks"]


def test_every_task_has_a_panel_with_its_distances_and_statistics() -> None:
    given = eighteen(4)
    _, plot = drawn(given)
    figure = plot.figure
    table = separations(given, "cosine").set_index("task")
    shown = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title(loc="left") for axes in shown] == [
        task_title(name) for name in given.names
    ]
    for axes, task in zip(shown, given.names, strict=True):
        assert_drawn(axes, given, task)
        (text,) = [text.get_text() for text in axes.texts]
        assert text == (
            f"P {table.loc[task, 'superiority']:.2f}\nOVL {table.loc[task, 'overlap']:.2f}"
        )
    low, high = table.loc[given.names, "superiority"].agg(["min", "max"])
    least = task_title(table.loc[given.names, "superiority"].idxmin())
    assert f"with probability {low:.2f} ({least}) to {high:.2f}" in plot.title
    limits = {axes.get_xlim() for axes in shown}
    assert len(limits) == 1


def test_captions_count_pairs_and_say_how_vectors_were_prepared() -> None:
    given = vector_set(FOUR, n=6)
    first, second = (plot.caption for plot in drawn(given))
    assert "60 pairs within, 216 between" in first
    for text in (first, second):
        assert "task vectors, as they are, of 4 tasks, n = 6 test episodes each" in text
        assert "every pair counted once, no vector with itself" in text
    assert "their mean subtracted" in drawn(given, centre=True)[0].caption


def test_one_task_is_drawn_without_what_there_is_not() -> None:
    given = vector_set(ONE, n=5)
    for plot in drawn(given):
        names = [text.get_text() for text in plot.figure.legends[0].get_texts()]
        assert names == ["within a task"]
        assert len(plot.figure.axes[0].patches) == 1
        assert "superiority" not in plot.caption
        assert plot.title.startswith("Distances between task vectors")
    assert not np.isnan(drawn(given)[1].figure.axes[0].get_ylim()).any()


@pytest.mark.parametrize("case", CASES)
def test_no_text_is_cut_or_written_over(case: str) -> None:
    for plot in drawn(CASES[case]):
        assert_legible(plot)


def test_drawing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    given = vector_set(FOUR, n=4)
    files = [
        [path.read_bytes() for plot in drawn(given) for path in plot.write(tmp_path, name)]
        for name in ("first", "second")
    ]
    assert files[0] == files[1]
