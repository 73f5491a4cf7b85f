from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import StepPatch

from tests.helpers.legible import assert_legible
from tests.helpers.vector_examples import FOUR, ONE, eighteen, vector_set
from tvsight.experiments.vector_variability.figures import NAMES, SHOWN, TOUCH, by_task, overall
from tvsight.experiments.vector_variability.numbers import MEAN, POOLED, densities, separations
from tvsight.output.labels import number, task_title
from tvsight.output.plots import Plot
from tvsight.protocol.vector_sets import AS_THEY_ARE, CENTRED, VectorSet
from tvsight.statistics.geometry import Metric
from tvsight.tasks import packaged_tasks

ALL = {name: task.category for name, task in packaged_tasks().items()}
CASES = {
    "18 tasks": eighteen(4),
    "1 task": vector_set(ONE, n=5),
    "2 tasks": vector_set({"a_task_with_a_name_that_is_rather_long": "custom", "b": "custom"}, n=2),
    "all tasks": vector_set(ALL, n=3),
}


def drawn(given: VectorSet, measure: Metric = "cosine") -> tuple[Plot, Plot]:
    table, numbers = densities(given, measure), separations(given, measure)
    return overall(table, numbers, given), by_task(table, numbers, given)


def assert_drawn(axes: Axes, given: VectorSet, task: str, treatment: str, base: float) -> None:
    table = densities(given, "cosine")
    own = table[(table["task"] == task) & (table["vectors"] == treatment)]
    scale = own["density"].max() / (1 if task == POOLED else TOUCH)
    for kind, name in NAMES.items():
        (steps,) = [
            patch
            for patch in axes.patches
            if isinstance(patch, StepPatch)
            and patch.get_label() == name
            and patch.get_data().baseline == base
        ]
        rows = own[own["kind"] == kind]
        assert steps.get_data().values == pytest.approx(base + rows["density"].to_numpy() / scale)
        assert steps.get_data().edges[:-1] == pytest.approx(rows["low"].to_numpy())


def test_the_first_figure_draws_all_distances_by_treatment() -> None:
    given = vector_set(FOUR, n=6)
    plot, _ = drawn(given)
    means = separations(given, "cosine").query("task == @MEAN").set_index("vectors")
    for axes, treatment in zip(plot.figure.axes, (AS_THEY_ARE, CENTRED), strict=True):
        assert_drawn(axes, given, POOLED, treatment, 0)
        assert axes.get_xlabel() == "Cosine distance"
        (text,) = axes.texts
        assert f"\n{means.loc[treatment, 'superiority']:.2f} [" in text.get_text()
    names = [text.get_text() for text in plot.figure.legends[0].get_texts()]
    assert names == ["within a task", "to other tasks"]
    assert plot.title == (
        "A distance to another task's vector is larger than one within the task with probability "
        f"{number(means.loc[AS_THEY_ARE, 'superiority'])}, "
        f"{number(means.loc[CENTRED, 'superiority'])} with the mean subtracted"
    )


def test_the_axis_ends_where_the_data_do() -> None:
    given = vector_set(FOUR, n=8)
    table = densities(given, "cosine")
    for axes, treatment in zip(drawn(given)[0].figure.axes, (AS_THEY_ARE, CENTRED), strict=True):
        own = table[(table["task"] == POOLED) & (table["vectors"] == treatment)]
        low, high = axes.get_xlim()
        assert low == 0
        for _, of_kind in own.groupby("kind"):
            inside = of_kind.loc[of_kind["high"] <= high, "pairs"].sum()
            assert inside >= SHOWN * of_kind["pairs"].sum()


def test_every_task_is_a_ridge_sorted_by_overlap() -> None:
    given = eighteen(4)
    _, plot = drawn(given)
    table = separations(given, "cosine").set_index(["vectors", "task"])["overlap"]
    order = table[AS_THEY_ARE].drop([POOLED, MEAN]).sort_values(ascending=False, kind="stable")
    for axes, treatment in zip(plot.figure.axes, (AS_THEY_ARE, CENTRED), strict=True):
        for place, task in enumerate(order.index):
            assert_drawn(axes, given, str(task), treatment, 17 - place)
        texts = [text.get_text() for text in axes.texts]
        assert texts == [*(number(table[treatment, task]) for task in order.index), "overlap"]
    labels = plot.figure.axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == [task_title(str(task)) for task in order.index]


def test_euclidean_distances_have_one_panel() -> None:
    given = vector_set(FOUR, n=6)
    for plot in drawn(given, "euclidean"):
        assert len(plot.figure.axes) == 1
        assert "subtracted" not in plot.title + plot.caption


def test_captions_count_pairs_and_name_treatments() -> None:
    given = vector_set(FOUR, n=6)
    first, second = (plot.caption for plot in drawn(given))
    assert "60 pairs within, 216 between" in first
    assert "\nMean over tasks subtracted: " in first
    for text in (first, second):
        assert "task vectors of 4 tasks, n = 6 test episodes each" in text
        assert "every pair counted once, no vector with itself" in text


def test_one_task_is_drawn_without_what_there_is_not() -> None:
    given = vector_set(ONE, n=5)
    for plot in drawn(given):
        names = [text.get_text() for text in plot.figure.legends[0].get_texts()]
        assert names == ["within a task"]
        assert [len(axes.patches) for axes in plot.figure.axes] == [1, 1]
        assert "robability" not in plot.title + plot.caption
        assert not np.isnan(plot.figure.axes[0].get_ylim()).any()


@pytest.mark.parametrize("case", CASES)
def test_no_text_is_cut_or_written_over(case: str) -> None:
    for plot in drawn(CASES[case]):
        assert_legible(plot, "full")


def test_drawing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    given = vector_set(FOUR, n=4)
    files = [
        [path.read_bytes() for plot in drawn(given) for path in plot.write(tmp_path, name)]
        for name in ("first", "second")
    ]
    assert files[0] == files[1]
