import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from tests.helpers.hostile import WORDS
from tests.helpers.legible import assert_legible
from tests.helpers.projection_rows import chosen, projected
from tvsight.experiments.token_projections.figures import CELL, MOST_BLOCKS, RANKS, drawable, ranks
from tvsight.experiments.token_projections.figures import grid as grid_of
from tvsight.experiments.token_projections.numbers import over_tasks, top_tokens
from tvsight.output.plots import Plot

TOKENS = [["London", " Paris", "7", "paris"], ["city", "$x^{$", "語", "capital"]]


@pytest.fixture
def rows() -> pd.DataFrame:
    return chosen(projected("one", TOKENS, {"answers": [4, 2]}, answers=["city"]), 1)


def plot(rows: pd.DataFrame, all_tokens: bool = False) -> Plot:
    return grid_of(rows, top_tokens(rows, RANKS, all_tokens), all_tokens)


def grid(rows: pd.DataFrame, all_tokens: bool = False) -> Figure:
    return plot(rows, all_tokens).figure


def cells(figure: Figure) -> dict[tuple[float, float], str]:
    return {text.get_position(): text.get_text() for text in figure.axes[0].texts}


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


def test_shades_are_the_probabilities(rows: pd.DataFrame) -> None:
    shades = grid(rows).axes[0].collections[0].get_array()
    expected = [[0.5, 0.25], [0.5, 0.125, 0.0625]]
    for row, of_block in zip(shades, expected, strict=True):
        assert row.compressed().tolist() == of_block
        assert len(row) == RANKS


def test_answers_are_bold(rows: pd.DataFrame) -> None:
    weights = {text.get_text(): text.get_fontweight() for text in grid(rows).axes[0].texts}
    assert [name for name, weight in weights.items() if weight == "bold"] == ["city"]


def test_texts_stand_out_from_their_shade() -> None:
    figure = grid(chosen(projected("one", [list("abcdefghijk")], {}), 0))
    drawn = figure.axes[0].collections[0]
    figure.draw_without_rendering()
    shades = drawn.get_facecolors()
    for text, shade in zip(figure.axes[0].texts, shades, strict=True):
        lightness = np.mean(shade[:3])
        assert abs(np.mean(to_rgba(text.get_color())[:3]) - lightness) > 0.35


@pytest.mark.parametrize(
    ("layer", "frames", "said"),
    [
        (0, {0: "-", 2: "--"}, "dashed: two above it"),
        (2, {2: "-", 3: "--"}, "dashed: the last block, one above"),
        (3, {3: "-"}, "which is the last block"),
    ],
)
def test_the_chosen_block_is_framed(layer: int, frames: dict[int, str], said: str) -> None:
    drawn = plot(chosen(projected("one", [["a"]] * 4, {}), layer, episodes=7))
    found = {patch.get_y(): patch.get_linestyle() for patch in drawn.figure.axes[0].patches}
    assert found == frames
    assert said in drawn.caption
    assert "n = 7 dev episodes" in drawn.caption
    assert "n = 7 dev episodes" in drawn.note
    assert drawn.title.startswith(f"one: 0 of the 1 most probable tokens after block {max(frames)}")


def test_of_a_deep_model_some_blocks_are_left_out_but_not_the_marked() -> None:
    figure = grid(chosen(projected("one", [["a"]] * 80, {}), 30))
    labels = [int(label.get_text()) for label in figure.axes[0].get_yticklabels()]
    assert len(labels) <= MOST_BLOCKS + 2
    assert labels == sorted(labels)
    assert {30, 32, 79} <= set(labels)
    shown = {patch.get_y() for patch in figure.axes[0].patches}
    assert shown == {labels.index(30), labels.index(32)}


def test_ticks_are_numbers(rows: pd.DataFrame) -> None:
    drawn = [{"answers": [900, 2000]}]
    rows = chosen(projected("one", TOKENS, {"answers": [4, 2]}, drawn), 1)
    for figure in (grid(rows), ranks(over_tasks(rows)).figure):
        figure.draw_without_rendering()
        labels = [
            label.get_text()
            for axes in figure.axes
            for label in (*axes.get_xticklabels(), *axes.get_yticklabels())
        ]
        assert [text for text in labels if "$" in text] == []


def test_any_token_is_drawn_without_a_warning(tmp_path: Path) -> None:
    words = [*WORDS.values(), "\ufffd", "<0x0A>", "日本", ""]
    blocks = [words[start : start + RANKS] for start in range(0, len(words), RANKS)]
    rows = chosen(projected("one", blocks, {}, answers=words[::2]), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = plot(rows, all_tokens=True)
        for path in drawn.write(tmp_path, "grid"):
            assert path.stat().st_size > 0
        grid(rows).draw_without_rendering()
    assert len(cells(drawn.figure)) == len(words)


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
    figure = grid(chosen(projected("one", [["a"]] * 18, {}), 3))
    figure.draw_without_rendering()
    assert figure.axes[0].get_window_extent().width / figure.dpi / RANKS > CELL


def test_every_text_can_be_read() -> None:
    drawn = [{"answers": [900] * 18, "word": [90] * 18}]
    tokens = [list("abcdefghij")] * 18
    rows = chosen(projected("one", tokens, {"answers": [9] * 18, "word": [8] * 18}, drawn), 3)
    assert_legible(plot(rows))
    assert_legible(ranks(over_tasks(rows)))


def test_ranks_are_drawn_by_kind_and_vector() -> None:
    drawn = [{"answers": [900, 800, 700], "word": [90, 80, 70]}]
    one = projected("one", [[]] * 3, {"answers": [9, 5, 1], "word": [8, 8, 8]}, drawn)
    two = projected("two", [[]] * 3, {"answers": [3, 3, 3], "word": [2, 4, 6]}, drawn)
    rows = chosen(pd.concat([one, two], ignore_index=True), 1)
    drawn = ranks(over_tasks(rows))
    figure = drawn.figure
    means = over_tasks(rows).set_index(["kind", "vector"])
    for axes, kind in zip(figure.axes, ("answers", "description"), strict=True):
        lines = {str(line.get_label()): list(line.get_ydata()) for line in axes.lines}
        assert lines == {
            name: means.loc[(kind, vector), "rank"].tolist()
            for name, vector in (("Task vector", "task"), ("Random", "random"))
        }
        assert axes.get_yscale() == "log"
        low, high = axes.get_ylim()
        assert low > high
    assert "n = 2 tasks (answers) and 2 tasks (description)" in drawn.note
    assert "median of 1 draws" in drawn.caption
    assert drawn.title == (
        "a-model: median ranks after block 2 of 0–2: answers 2 (random vectors 700), description 7 "
        "(random vectors 70)"
    )


def test_each_model_has_its_panels_and_tasks_without_words_none() -> None:
    drawn = [{"answers": [900, 800]}]
    one = projected("one", [[]] * 2, {"answers": [9, 5]}, drawn)
    rows = chosen(pd.concat([one, one.assign(model="b-model")], ignore_index=True), 1)
    figure = ranks(over_tasks(rows)).figure
    assert [axes.get_ylabel().split("\n")[0] for axes in figure.axes] == ["a-model", "b-model"]


def test_the_same_rows_give_the_same_files(rows: pd.DataFrame, tmp_path: Path) -> None:
    first = [path.read_bytes() for path in plot(rows).write(tmp_path, "one")]
    assert [path.read_bytes() for path in plot(rows).write(tmp_path, "two")] == first
