import warnings
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.colors import to_hex

from tests.helpers.hostile import WORDS
from tests.helpers.legible import assert_legible
from tests.helpers.projection_rows import chosen, projected
from tvsight.experiments.token_projections.figures import (
    CELL,
    INSET,
    MARKS,
    MOST_BLOCKS,
    PLAIN,
    RANKS,
    WINDOW,
    drawable,
    overview,
    ranks,
)
from tvsight.experiments.token_projections.figures import grid as grid_of
from tvsight.experiments.token_projections.numbers import over_tasks, shares, top_tokens
from tvsight.output import lettering
from tvsight.output.plots import Plot
from tvsight.output.theme import READABLE, contrast

TOKENS = [["London", " Paris", "7", "paris"], ["city", "$x^{$", "語", "capital"]]


@pytest.fixture
def rows() -> pd.DataFrame:
    return chosen(projected("one", TOKENS, {"answers": [4, 2]}, answers=["city"]), 1)


def grid(rows: pd.DataFrame, all_tokens: bool = False) -> Plot:
    return grid_of(rows, top_tokens(rows, RANKS, all_tokens), all_tokens)


def cells(plot: Plot) -> dict[tuple[float, float], str]:
    return {text.get_position(): text.get_text() for text in plot.figure.axes[0].texts}


def fills(plot: Plot) -> dict[tuple[float, float], str]:
    """The colour of each cell, by its corner."""
    patches = [patch for patch in plot.figure.axes[0].patches if patch.get_fill()]
    return {patch.get_xy(): to_hex(patch.get_facecolor()) for patch in patches}


def test_a_grid_holds_the_tokens_in_their_order_by_block(rows: pd.DataFrame) -> None:
    assert cells(grid(rows)) == {
        (0.5, 0.5): "London",
        (1.5, 0.5): "Paris",
        (0.5, 1.5): "city",
        (1.5, 1.5): "‹Han›",
        (2.5, 1.5): "capital",
    }
    everything = cells(grid(rows, all_tokens=True))
    assert [everything[x + 0.5, 0.5] for x in range(4)] == ["London", "␣Paris", "7", "paris"]
    assert everything[1.5, 1.5] == "$x^{$"


def test_colours_mean_answers_and_words_that_describe_the_task() -> None:
    ranks_of = {"answers": [4, 2], "capital": [3, 3], "London": [1, 1]}
    rows = chosen(projected("one", TOKENS, ranks_of, answers=["city", "London"]), 1)
    plot = grid(rows)
    answer, describing = (MARKS[name][0] for name in ("is_answer", "describes"))
    found = fills(plot)
    assert found == {
        (0, 0): answer,  # an answer first, if it describes the task too
        (1, 0): to_hex(PLAIN),
        (0, 1): answer,
        (1, 1): to_hex(PLAIN),
        (2, 1): describing,
    }
    looks = {
        text.get_text(): (text.get_fontweight(), text.get_fontstyle())
        for text in plot.figure.axes[0].texts
    }
    assert looks["city"] == ("bold", "normal")
    assert looks["capital"] == ("normal", "italic")
    assert looks["Paris"] == ("normal", "normal")
    names = [
        (text.get_text(), text.get_fontweight(), text.get_fontstyle())
        for text in plot.figure.legends[0].get_texts()
    ]
    assert names == [
        ("begins an answer", "bold", "normal"),
        ("describes the task", "normal", "italic"),
    ]
    for colour in (*found.values(), WINDOW):
        assert contrast("black", colour) >= READABLE


@pytest.mark.parametrize(
    ("layer", "frames", "said"),
    [
        (0, {0: "-", 2: "--"}, "dashed: two above it"),
        (2, {2: "-", 3: "--"}, "dashed: the last block, one above"),
        (3, {3: "-"}, "which is the last block"),
    ],
)
def test_the_chosen_block_is_framed(layer: int, frames: dict[int, str], said: str) -> None:
    plot = grid(chosen(projected("one", [["a"]] * 4, {}), layer, episodes=7))
    framed = [patch for patch in plot.figure.axes[0].patches if not patch.get_fill()]
    assert {patch.get_y(): patch.get_linestyle() for patch in framed} == frames
    assert said in plot.caption
    assert said in plot.note
    assert "n = 7 dev episodes" in plot.caption


def test_of_a_deep_model_some_blocks_are_left_out_but_not_the_marked() -> None:
    axes = grid(chosen(projected("one", [["a"]] * 80, {}), 30)).figure.axes[0]
    labels = [int(label.get_text()) for label in axes.get_yticklabels()]
    assert len(labels) <= MOST_BLOCKS + 2
    assert labels == sorted(labels)
    assert {30, 32, 79} <= set(labels)
    shown = {patch.get_y() for patch in axes.patches if not patch.get_fill()}
    assert shown == {labels.index(30), labels.index(32)}


def test_ticks_are_numbers(rows: pd.DataFrame) -> None:
    drawn = [{"answers": [900, 2000]}]
    rows = chosen(projected("one", TOKENS, {"answers": [4, 2]}, drawn), 1)
    for plot in (grid(rows), ranks(over_tasks(rows), {"a-model": (0, 1)})):
        figure = plot.lettered()
        figure.draw_without_rendering()
        labels = [
            label.get_text()
            for axes in figure.axes
            for label in (*axes.get_xticklabels(), *axes.get_yticklabels())
        ]
        assert [text for text in labels if "$" in text] == []


def test_any_token_is_drawn_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # no draft: letters are cut out of their fonts
    words = [*WORDS.values(), "\ufffd", "<0x0A>", "日本", ""]
    blocks = [words[start : start + RANKS] for start in range(0, len(words), RANKS)]
    rows = chosen(projected("one", blocks, {}, answers=words[::2]), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot = grid(rows, all_tokens=True)
        for path in plot.write(tmp_path, "grid", svg=True):
            assert path.stat().st_size > 0
        grid(rows).lettered().draw_without_rendering()
    assert len(cells(plot)) == len([*words, *plot.figure.texts]) - 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("größe", "größe"),
        ("История", "История"),
        ("日本", "‹Han›"),
        ("a語", "‹Han›"),
        ("สวัสดี", "‹Thai›"),
        ("שלום", "‹Hebrew›"),
        ("سلام", "‹Arabic›"),
        ("\ue123", "‹U+E123›"),
        ("$x^{$", "$x^{$"),
    ],
)
def test_what_cannot_be_drawn_is_named_by_its_script(text: str, expected: str) -> None:
    assert drawable(text) == expected


def test_cells_are_as_wide_as_texts_may_be() -> None:
    figure = grid(chosen(projected("one", [["a"]] * 18, {}), 3)).lettered()
    assert figure.axes[0].get_window_extent().width / figure.dpi / RANKS > CELL


def test_ranks_are_drawn_by_kind_and_vector() -> None:
    drawn = [{"answers": [900, 800, 700], "word": [90, 80, 70]}]
    one = projected("one", [[]] * 3, {"answers": [9, 5, 1], "word": [8, 8, 8]}, drawn)
    two = projected("two", [[]] * 3, {"answers": [3, 3, 3], "word": [2, 4, 6]}, drawn)
    rows = chosen(pd.concat([one, two], ignore_index=True), 1)
    plot = ranks(over_tasks(rows), {"a-model": (1, 2)})
    means = over_tasks(rows).set_index(["kind", "vector"])
    for axes, kind in zip(plot.figure.axes, ("answers", "description"), strict=True):
        lines = {str(line.get_label()): list(line.get_ydata()) for line in axes.lines}
        assert lines == {
            name: means.loc[(kind, vector), "rank"].tolist()
            for name, vector in (("Task vector", "task"), ("Random vectors (chance)", "random"))
        }
        assert axes.get_yscale() == "log"
        low, high = axes.get_ylim()
        assert low > high
        (window,) = axes.patches
        assert (window.get_x(), window.get_x() + window.get_width()) == (0.5, 2.5)
    assert "n = 2 tasks (answers) and 2 tasks (description)" in plot.caption
    assert "median of 1 draws" in plot.caption
    assert plot.title == (
        "Median rank of answers after the last block: a-model 2 (random vectors 700)"
    )
    assert_legible(plot)


def test_each_model_has_its_panels_and_tasks_without_words_none() -> None:
    drawn = [{"answers": [900, 800]}]
    one = projected("one", [[]] * 2, {"answers": [9, 5]}, drawn)
    rows = chosen(pd.concat([one, one.assign(model="b-model")], ignore_index=True), 1)
    plot = ranks(over_tasks(rows), {"a-model": (0, 0), "b-model": (1, 1)})
    assert [axes.get_title(loc="left") for axes in plot.figure.axes] == [
        "a-model: Answers of the task",
        "b-model: Answers of the task",
    ]


def test_the_overview_holds_the_share_of_answers_by_task_and_block() -> None:
    one = chosen(projected("two", TOKENS, {"answers": [4, 2]}, answers=["city"]), 0)
    two = chosen(projected("one", TOKENS, {"answers": [4, 2]}), 1)
    table = shares(top_tokens(pd.concat([one, two], ignore_index=True), RANKS))
    plot = overview(table, "a-model")
    strip, axes, _ = plot.figure.axes
    assert [text.get_text() for text in strip.texts] == ["custom"]
    order = [label.get_text() for label in axes.get_yticklabels()]
    cells_of = dict(zip(order, axes.images[0].get_array().tolist(), strict=True))
    assert cells_of == {"two": [0, pytest.approx(1 / 3)], "one": [0, 0]}
    frames = [(round(p.get_x() + 0.5 - INSET), p.get_linestyle()) for p in axes.patches]
    assert frames == [(1, "--"), (1, "--"), (0, "-"), (1, "-")]
    known = table.assign(answers=1.0)
    framed = overview(known, "a-model").figure.axes[1].patches
    assert {to_hex(patch.get_edgecolor()) for patch in axes.patches} == {"#000000"}
    assert {to_hex(patch.get_edgecolor()) for patch in framed} == {"#ffffff"}  # on dark cells
    assert plot.title == (
        "Two blocks above the chosen one, answers are among the 10 most probable tokens for "
        "1 of 2 tasks"
    )
    assert_legible(plot)


def test_letters_that_the_font_lacks_come_from_fonts_that_are_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lettering, "FALLBACKS", ("DejaVu Serif", "No Such Font"))
    lettering.families.cache_clear()
    assert lettering.families() == [lettering.FAMILY, "DejaVu Serif"]
    lettering.families.cache_clear()


def test_the_same_rows_give_the_same_files(rows: pd.DataFrame, tmp_path: Path) -> None:
    first = [path.read_bytes() for path in grid(rows).write(tmp_path, "one")]
    assert [path.read_bytes() for path in grid(rows).write(tmp_path, "two")] == first
