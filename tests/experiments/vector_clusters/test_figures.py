from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Annotation

from tests.helpers.legible import assert_legible
from tests.helpers.vector_examples import FOUR, ONE, eighteen, vector_set
from tvsight.experiments.vector_clusters.figures import clusters, distances
from tvsight.experiments.vector_clusters.numbers import between_tasks, embedding, groupings, tree
from tvsight.output.labels import task_title
from tvsight.output.plots import Plot
from tvsight.protocol.vector_sets import VectorSet
from tvsight.tasks import packaged_tasks

ALL = {name: task.category for name, task in packaged_tasks().items()}
CASES = {
    "18 tasks": eighteen(4),
    "1 task": vector_set(ONE, n=5),
    "2 tasks": vector_set({"a_task_with_a_name_that_is_rather_long": "custom", "b": "custom"}, n=4),
    "all tasks": vector_set(ALL, n=2),
}


def drawn(given: VectorSet, perplexity: float = 5) -> tuple[Plot, pd.DataFrame]:
    found = embedding(given, perplexity)
    assert found is not None
    below = {given.names[0]: 0.125}
    return clusters(found, tree(given), given, groupings(given), below), found.points


def test_every_vector_is_drawn_where_tsne_puts_it() -> None:
    given = eighteen(4)
    plot, table = drawn(given)
    axes = plot.figure.axes[0]
    assert [line.get_label() for line in axes.lines] == given.names
    for line in axes.lines:
        own = table[table["task"] == line.get_label()]
        assert np.array_equal(line.get_xydata(), own[["x", "y"]].to_numpy())
    across, up = (
        np.diff(ends).item() / side
        for ends, side in zip(
            (axes.get_xlim(), axes.get_ylim()),
            (axes.get_window_extent().width, axes.get_window_extent().height),
            strict=True,
        )
    )
    assert across == pytest.approx(up)


def test_each_cluster_is_named_beside_its_points() -> None:
    given = eighteen(4)
    plot, table = drawn(given)
    axes = plot.figure.axes[0]
    names = [text for text in axes.texts if isinstance(text, Annotation)]
    assert [text.get_text() for text in names] == list(map(task_title, given.names))
    for task, text in zip(given.names, names, strict=True):
        own = table.loc[table["task"] == task, ["x", "y"]].to_numpy()
        assert any(np.allclose(text.xy, place) for place in own)


def test_tints_tell_tasks_apart_and_neighbours_differ_most() -> None:
    plot, _ = drawn(eighteen(4))
    colours = {
        str(line.get_label()): to_hex(line.get_color()) for line in plot.figure.axes[0].lines
    }
    assert len(set(colours.values())) == 18

    def lightness(task: str) -> float:
        return sum(int(colours[task][start : start + 2], 16) for start in (1, 3, 5)) / (3 * 255)

    for one, other in (("fr_en", "es_en"), ("en_fr", "en_es"), ("next_letter", "prev_letter")):
        assert abs(lightness(one) - lightness(other)) > 0.15


def test_the_heat_map_holds_the_distances_in_the_order_of_the_tree() -> None:
    given = eighteen(4)
    found = tree(given)
    assert found is not None
    _, cells, joins, bar = drawn(given)[0].figure.axes
    assert np.array_equal(cells.images[0].get_array(), found.distances)
    labels = [label.get_text() for label in cells.get_yticklabels()]
    assert labels == list(map(task_title, found.distances))
    assert [list(map(tuple, line.get_xydata())) for line in joins.lines] == [
        list(map(tuple, line)) for line in found.lines
    ]
    assert bar.get_xlabel() == "Euclidean distance of mean vectors"


def test_one_task_has_no_tree() -> None:
    plot, _ = drawn(vector_set(ONE, n=7), perplexity=30)
    assert len(plot.figure.axes) == 1
    assert plot.title == "Task vectors in two dimensions"
    assert "perplexity 2 (as many as 7 vectors allow)" in plot.caption
    assert "silhouette" not in plot.caption


def test_title_and_caption_quote_the_distance_that_is_drawn() -> None:
    given = vector_set(FOUR, n=8, spread=2)
    plot, _ = drawn(given, perplexity=5)
    rows = groupings(given).set_index(["grouping", "measure", "vectors"])
    of_tasks = rows.loc["task", "euclidean", "as they are"]
    left_out = rows.loc["category, own task left out", "euclidean", "as they are"]
    assert plot.title == (
        f"The nearest centroid names a vector's task for {of_tasks['accuracy']:.2f} (chance "
        f"{of_tasks['chance']:.2f}), the category of a left-out task for "
        f"{left_out['accuracy']:.2f} (chance {left_out['chance']:.2f})"
    )
    for said in (
        "a-model, after block 3 of 0–5 (where mean dev accuracy peaks, 0.75)",
        "4 tasks, n = 8 test episodes each",
        "perplexity 5, seed 0, begun from the first two principal components",
        f"by task silhouette {of_tasks['silhouette']:.2f}, nearest centroid",
        "below chance for one (0.12)",
    ):
        assert said in plot.caption
    centred = rows.loc["category, own task left out", "cosine", "mean subtracted"]
    assert f"{centred['accuracy']:.2f} [" in plot.caption.rsplit("by cosine distance", 1)[1]


@pytest.mark.parametrize("case", CASES)
def test_no_text_is_cut_or_written_over(case: str) -> None:
    assert_legible(drawn(CASES[case])[0], "full")


def test_drawing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    given = vector_set(FOUR, n=6)
    files = [
        [path.read_bytes() for path in drawn(given)[0].write(tmp_path, name)]
        for name in ("first", "second")
    ]
    assert files[0] == files[1]


@pytest.mark.parametrize("given", [eighteen(1), vector_set(FOUR, n=1)], ids=["18", "4"])
def test_of_single_vectors_the_nearest_are_named(given: VectorSet) -> None:
    known = tree(given)
    assert known is not None
    apart = between_tasks(given)
    plot = distances(known, apart, given, "mean_state")
    nearest = apart.sort_values("distance").iloc[0]
    pair = f"{task_title(nearest['task'])} and {task_title(nearest['other'])}"
    assert plot.title == (
        f"The mean states of {pair} are nearest ({nearest['distance']:.2f} apart)"
    )
    assert f"one vector for each of {len(given.names)} tasks" in plot.caption
    assert_legible(plot)
