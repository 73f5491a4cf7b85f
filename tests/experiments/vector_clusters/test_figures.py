from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from tests.helpers.legible import assert_legible
from tests.helpers.vector_examples import FOUR, ONE, eighteen, vector_set
from tvsight.experiments.main_results.vector_sets import VectorSet
from tvsight.experiments.vector_clusters.figures import scatter
from tvsight.experiments.vector_clusters.numbers import embedding, groupings
from tvsight.output.plots import Plot
from tvsight.output.theme import CATEGORY_COLOURS
from tvsight.tasks import packaged_tasks

ALL = {name: task.category for name, task in packaged_tasks().items()}
LONG = {f"a_task_with_a_name_that_is_rather_long_{number}": "custom" for number in range(20)}
CASES = {
    "18 tasks": eighteen(4),
    "1 task": vector_set(ONE, n=5),
    "long names": vector_set(LONG, n=3),
    "all tasks": vector_set(ALL, n=2),
}


def drawn(given: VectorSet, perplexity: float = 5, seed: int = 0) -> tuple[Plot, pd.DataFrame]:
    found = embedding(given, perplexity, seed)
    assert found is not None
    return scatter(found, given, groupings(given)), found.points


def test_every_vector_is_drawn_where_tsne_puts_it() -> None:
    given = eighteen(4)
    plot, table = drawn(given)
    (axes,) = plot.figure.axes
    assert [line.get_label() for line in axes.lines] == given.names
    for line in axes.lines:
        own = table[table["task"] == line.get_label()]
        assert np.array_equal(line.get_xydata(), own[["x", "y"]].to_numpy())


def test_colours_tell_categories_apart_and_shapes_tell_tasks_apart() -> None:
    plot, _ = drawn(eighteen(4))
    looks = []
    for line in plot.figure.axes[0].lines:
        category = ALL[str(line.get_label())]
        assert to_hex(line.get_markeredgecolor()) == to_hex(CATEGORY_COLOURS[category]) or (
            to_hex(line.get_markerfacecolor()) == to_hex(CATEGORY_COLOURS[category])
        )
        looks.append((line.get_marker(), to_hex(line.get_markerfacecolor()) == "#ffffff"))
    assert len(set(looks)) == 18


def test_the_legend_names_tasks_under_their_categories() -> None:
    plot, _ = drawn(vector_set(FOUR, n=4))
    texts = plot.figure.legends[0].get_texts()
    expected = ["algorithmic", "one", "two", " ", "knowledge", "three", "four"]
    assert [text.get_text() for text in texts] == expected
    bold = [text.get_text().strip() for text in texts if text.get_fontweight() == "bold"]
    assert list(filter(None, bold)) == ["algorithmic", "knowledge"]
    markers = {h.get_label(): h.get_marker() for h in plot.figure.legends[0].legend_handles}
    assert all(markers[line.get_label()] == line.get_marker() for line in plot.figure.axes[0].lines)


def test_a_task_may_be_named_like_a_category() -> None:
    plot, _ = drawn(vector_set({"knowledge": "knowledge", "two": "knowledge"}, n=4))
    texts = plot.figure.legends[0].get_texts()
    assert [t.get_text() for t in texts if t.get_fontweight() == "bold"] == ["knowledge"]


def test_the_caption_states_how_it_was_made_and_what_was_measured() -> None:
    given = vector_set(FOUR, n=8)
    plot, _ = drawn(given, perplexity=5, seed=7)
    text = plot.caption
    assert "a-model, after block 3 of 0–5 (where mean dev accuracy peaks, 0.75)" in text
    assert "4 tasks, n = 8 test episodes each" in text
    assert "perplexity 5, seed 7, begun from the first two principal components" in text
    row = groupings(given).iloc[0]
    assert f"by task silhouette {row['silhouette']:.2f}, nearest centroid" in text
    assert f"{row['accuracy']:.2f} [" in text
    assert plot.title.startswith("The centroid nearest to a vector names its task for 1.00 [")
    assert plot.note == "a-model, after block 3 of 0–5; n = 8 test episodes per task."


def test_the_caption_of_few_vectors_says_that_perplexity_is_bounded() -> None:
    text = drawn(vector_set(ONE, n=7), perplexity=30)[0].caption
    assert "perplexity 2 (as many as 7 vectors allow)" in text
    assert "silhouette" not in text


@pytest.mark.parametrize("case", CASES)
def test_no_text_is_cut_or_written_over(case: str) -> None:
    assert_legible(drawn(CASES[case])[0])


def test_drawing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    given = vector_set(FOUR, n=6)
    files = [
        [path.read_bytes() for path in drawn(given)[0].write(tmp_path, name)]
        for name in ("first", "second")
    ]
    assert files[0] == files[1]
    other = drawn(given, seed=1)[0]
    assert [path.read_bytes() for path in other.write(tmp_path, "third")] != files[0]
