import warnings
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.hostile import WORDS
from tests.helpers.projection_rows import chosen, projected
from tvsight.experiments.token_projections.figures import CELL, MOST_BLOCKS, RANKS, drawable
from tvsight.experiments.token_projections.figures import grid as grid_of
from tvsight.experiments.token_projections.numbers import top_tokens
from tvsight.output import lettering
from tvsight.output.plots import Plot


def grid(rows: pd.DataFrame, all_tokens: bool = False) -> Plot:
    return grid_of(rows, top_tokens(rows, RANKS, all_tokens), all_tokens)


def cells(plot: Plot) -> dict[tuple[float, float], str]:
    return {text.get_position(): text.get_text() for text in plot.figure.axes[0].texts}


def test_of_a_deep_model_some_blocks_are_left_out_but_not_the_marked() -> None:
    axes = grid(chosen(projected("one", [["a"]] * 80, {}), 30)).figure.axes[0]
    labels = [int(label.get_text()) for label in axes.get_yticklabels()]
    assert len(labels) <= MOST_BLOCKS + 2
    assert labels == sorted(labels)
    assert {30, 32, 79} <= set(labels)
    shown = {patch.get_y() for patch in axes.patches if not patch.get_fill()}
    assert shown == {labels.index(30), labels.index(32)}
    figure = grid(chosen(projected("one", [["a"]] * 18, {}), 3)).lettered()
    assert figure.axes[0].get_window_extent().width / figure.dpi / RANKS > CELL  # width of a text


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


def test_what_cannot_be_drawn_is_named_by_its_script() -> None:
    scripts = {"日本": "Han", "a語": "Han", "สวัสดี": "Thai", "שלום": "Hebrew", "سلام": "Arabic"}
    scripts["\ue123"] = "U+E123"
    assert {text: drawable(text) for text in scripts} == {t: f"‹{of}›" for t, of in scripts.items()}
    for text in ("größe", "История", "$x^{$"):
        assert drawable(text) == text


def test_letters_that_the_font_lacks_come_from_fonts_that_are_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lettering, "FALLBACKS", ("DejaVu Serif", "No Such Font"))
    lettering.families.cache_clear()
    assert lettering.families() == [lettering.FAMILY, "DejaVu Serif"]
    lettering.families.cache_clear()
