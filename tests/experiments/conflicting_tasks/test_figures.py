from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.axes import Axes

from tests.helpers.conflict_rows import DEV, SWEPT, pair_rows
from tests.helpers.legible import assert_legible
from tvsight.experiments.conflicting_tasks import numbers
from tvsight.experiments.conflicting_tasks.figures import PAPER_NAME, RUNS, by_block, by_pair
from tvsight.output.plots import Plot
from tvsight.paper import paper_by_pair

PAPER_PAIR = "en_es→en_fr"
LONG = f"{'a' * 60}→{'b' * 60}"


def rows(*pairs: str) -> pd.DataFrame:
    return pd.concat([pair_rows(pair) for pair in pairs], ignore_index=True)


def accuracies(*pairs: str) -> Plot:
    return by_pair(numbers.by_pair(rows(*pairs)), paper_by_pair(), "a-model")


def blocks(*pairs: str) -> Plot:
    data = rows(*pairs)
    return by_block(numbers.by_block(data), numbers.unpatched_on_dev(data), "a-model")


def drawn(axes: Axes) -> dict[str, Any]:
    """Points of each run with whiskers, by name."""
    return {bars.get_label(): bars for bars in axes.containers}


def test_both_panels_draw_the_accuracies_and_intervals_of_the_table() -> None:
    table = numbers.by_pair(rows("one→two", PAPER_PAIR))
    figure = by_pair(table, paper_by_pair(), "a-model").figure
    for axes, scored_as in zip(figure.axes, numbers.SCORED_AS, strict=True):
        for run in RUNS:
            of_rule = table[table["layer_rule"] == run.rule]
            points, _, (whiskers,) = drawn(axes)[run.name].lines
            column = f"{run.procedure}_{scored_as}"
            assert list(points.get_xdata()) == of_rule[column].tolist()
            ends = [[segment[0, 0], segment[1, 0]] for segment in whiskers.get_segments()]
            wanted = of_rule[[f"{column}_low", f"{column}_high"]].to_numpy()
            assert ends == [pytest.approx(pair) for pair in wanted.tolist()]
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["A: en → es\nB: en → fr", "A: one\nB: two"]
    tops = drawn(figure.axes[0])[RUNS[0].name].lines[0].get_ydata()
    assert list(tops) == [1.25, 0.25]


def test_the_papers_numbers_are_hollow_marks_on_the_lines_of_their_pair() -> None:
    axes = accuracies("one→two", PAPER_PAIR).figure.axes[1]
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    found = [(list(line.get_xdata()), list(line.get_ydata())) for line in hollow]
    assert found == [([0.04], [0.25]), ([0.07], [0.0])]


@pytest.mark.parametrize(("pair", "is_named"), [(PAPER_PAIR, True), ("one→two", False)])
def test_the_paper_is_named_where_it_is_drawn(pair: str, is_named: bool) -> None:
    (legend,) = accuracies(pair).figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == [run.name for run in RUNS] + [PAPER_NAME] * is_named


def test_blocks_are_marked_where_the_vector_overrides_or_is_not_identified() -> None:
    plot = accuracies("one→two")
    assert [text.get_text() for text in plot.figure.axes[1].texts] == ["block 2 ?", "block 1 *"]
    assert "* the vector overrides" in plot.caption
    for words in (plot.caption, plot.note):
        assert "? layer not identified" in words
        assert "n = 20 test episodes" in words
    assert plot.title == "The vector of B overrides the demonstrations of A in 0 of 1 pair"


def test_each_pair_has_a_panel_with_its_sweeps_and_chosen_blocks() -> None:
    plot = blocks("one→two", "two→one")
    figure = plot.figure
    assert plot.title == (
        "At its best block the vector of B lowers accuracy on A in 2, and raises it on B in 2, of "
        "2 pairs"
    )
    assert [axes.get_title("left") for axes in figure.axes] == ["A: one\nB: two", "A: two\nB: one"]
    for axes in figure.axes:
        lines = [list(line.get_ydata()) for line in axes.lines if len(line.get_xdata()) == 3]
        wanted = [SWEPT["conflict", "demonstrations"], SWEPT["conflict", "patched"]]
        wanted.append(SWEPT["zero_shot", "patched"])
        assert lines == [[count / DEV for count in right] for right in wanted]
        dots = [
            (list(d.get_xdata()), list(d.get_ydata())) for d in axes.lines if d.get_marker() == "o"
        ]
        assert dots == [([2], [1]), ([1], [1])]
        levels = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == ":"]
        assert levels == [0.75, 0.25]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 10])
def test_no_texts_overlap_however_many_pairs(count: int) -> None:
    pairs = [f"present_simple_past_simple→task_{number}" for number in range(count)]
    for plot in (accuracies(*pairs), blocks(*pairs), accuracies(LONG), blocks(LONG)):
        assert_legible(plot)


def test_the_same_table_gives_the_same_files(tmp_path: Path) -> None:
    for make in (accuracies, blocks):
        first = [path.read_bytes() for path in make("one→two").write(tmp_path, "one")]
        again = [path.read_bytes() for path in make("one→two").write(tmp_path, "two")]
        assert again == first
