from pathlib import Path

import pandas as pd
import pytest
from matplotlib.axes import Axes

from tests.helpers.conflict_rows import DEV, SWEPT, pair_rows
from tests.helpers.legible import assert_legible
from tvsight.experiments.conflicting_tasks import numbers
from tvsight.experiments.conflicting_tasks.figures import ARROWS, PAPER, SWEEPS, by_block, by_pair
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


def lines(axes: Axes) -> dict[str, list[list[float]]]:
    """Both ends of each arrow, by name."""
    return {
        str(line.get_label()): [list(end) for end in zip(*line.get_data(), strict=True)]
        for line in axes.lines
    }


def test_an_arrow_leads_from_without_to_with_the_vector() -> None:
    table = numbers.by_pair(rows("one→two", PAPER_PAIR))
    figure = by_pair(table, paper_by_pair(), "a-model").figure
    titles = [axes.get_title("left") for axes in figure.axes]
    assert titles == ["A: one\nB: two", "A: en → es\nB: en → fr"]
    for axes, pair in zip(figure.axes, ("one→two", PAPER_PAIR), strict=True):
        of_pair = table[table["task"] == pair].set_index("layer_rule")
        for arrow in ARROWS:
            row = of_pair.loc[arrow.rule]
            assert lines(axes)[arrow.name] == [
                [row["icl_demonstrations"], row["icl_patched"]],
                [row["task_vector_demonstrations"], row["task_vector_patched"]],
            ]


def test_whiskers_are_the_intervals() -> None:
    (row,) = numbers.by_pair(rows("one→two")).query("layer_rule == 'zero_shot'").to_dict("records")
    axes = accuracies("one→two").figure.axes[0]
    drawn = [bar.lines[2] for bar in axes.containers]
    across = [pair[0].get_segments()[0][:, 0].tolist() for pair in drawn]
    for end in ("icl", "task_vector"):
        name = f"{end}_demonstrations"
        assert pytest.approx([row[f"{name}_low"], row[f"{name}_high"]]) in across


@pytest.mark.parametrize(("pair", "is_drawn"), [(PAPER_PAIR, True), ("one→two", False)])
def test_the_paper_is_named_where_it_is_drawn(pair: str, is_drawn: bool) -> None:
    figure = accuracies(pair).figure
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert (PAPER.name in names) is is_drawn
    assert (PAPER.name in lines(figure.axes[0])) is is_drawn
    if is_drawn:
        assert lines(figure.axes[0])[PAPER.name] == [[0.93, 0.04], [0.91, 0.07]]


def test_blocks_are_marked_where_the_vector_overrides_or_is_not_identified() -> None:
    plot = accuracies("one→two")
    written = [text.get_text() for text in plot.figure.axes[0].texts]
    assert sorted(written) == ["block 1 of 0–2 *", "block 2 of 0–2 ?"]
    assert "* the vector overrides" in plot.caption
    assert "? layer not identified" in plot.caption
    assert "Holm's correction for 1 test)" in plot.caption
    assert "n = 20 test episodes" in plot.note
    assert "* overrides (1 test, Holm)" in plot.note


def test_marks_and_title_are_after_holms_correction() -> None:
    strong = pair_rows("one→two", zero_shot=(0, 10))
    weak = [pair_rows(f"{name}→two", icl=(5, 0), zero_shot=(0, 5)) for name in ("three", "four")]
    table = numbers.by_pair(pd.concat([strong, *weak], ignore_index=True))
    plain = table[table["layer_rule"] == "zero_shot"]
    assert plain["overrides"].tolist() == [True, True, True]
    assert plain["overrides_holm"].tolist() == [True, False, False]  # 2^-5, times two, is above 5 %
    plot = by_pair(table, paper_by_pair(), "a-model")
    assert plot.title.endswith("in 1 of 3 pairs")
    marks = [[text.get_text() for text in axes.texts] for axes in plot.figure.axes]
    assert "block 2 of 0–2 *?" in marks[0]
    assert "block 2 of 0–2 ?" in marks[1]
    assert "* overrides (3 tests, Holm)" in plot.note


def test_the_papers_arrow_is_told_apart_without_colour() -> None:
    (axes,) = accuracies(PAPER_PAIR).figure.axes
    (line,) = [line for line in axes.lines if line.get_label() == PAPER.name]
    assert (line.get_linestyle(), line.get_markerfacecolor()) == ("--", "white")


def test_the_title_counts_pairs_by_the_papers_rule() -> None:
    assert accuracies("one→two", "two→one").title == (
        "The vector of B overrides the demonstrations of A in 0 of 2 pairs"
    )


def test_each_pair_has_a_panel_with_its_sweeps_and_its_best_block() -> None:
    plot = blocks("one→two", "two→one")
    for axes in plot.figure.axes:
        drawn = {str(line.get_label()): list(line.get_ydata()) for line in axes.lines}
        wanted = ("conflict", "demonstrations"), ("conflict", "patched"), ("zero_shot", "patched")
        for name, sweep in zip(SWEEPS, wanted, strict=True):
            assert drawn[name] == [count / DEV for count in SWEPT[sweep]]
        levels = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == ":"]
        assert levels == [0.75, 0.25]
        (band,) = axes.patches
        assert (band.get_x(), band.get_width()) == (0.5, 1)
    assert [axes.get_title("left") for axes in plot.figure.axes] == [
        *("A: one\nB: two", "A: two\nB: one")
    ]


@pytest.mark.parametrize("count", [1, 3, 5, 7])
def test_no_text_is_cut_or_written_over_however_many_pairs(count: int) -> None:
    pairs = [f"present_simple_past_simple→task_{number}" for number in range(count)]
    for plot in (accuracies(*pairs), blocks(*pairs)):
        assert_legible(plot)


def test_long_names_are_cut() -> None:
    for plot in (accuracies(LONG), blocks(LONG)):
        assert_legible(plot)


def test_the_same_table_gives_the_same_files(tmp_path: Path) -> None:
    for make in (accuracies, blocks):
        first = [path.read_bytes() for path in make("one→two").write(tmp_path, "one")]
        assert [path.read_bytes() for path in make("one→two").write(tmp_path, "two")] == first
