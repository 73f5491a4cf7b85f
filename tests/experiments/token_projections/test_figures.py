import warnings
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.hostile import WORDS
from tests.helpers.projection_rows import chosen, projected
from tvsight.experiments.token_projections.figures import CELL, MOST_BLOCKS, RANKS, TOKENS, by_task
from tvsight.experiments.token_projections.numbers import top_tokens
from tvsight.output import lettering
from tvsight.output.plots import Plot


def drawn(*rows: pd.DataFrame, all_tokens: bool = False) -> Plot:
    return by_task(top_tokens(pd.concat(rows), RANKS, all_tokens), "a-model", all_tokens)


def test_the_upper_half_of_the_blocks_is_shown_and_the_marked_ones() -> None:
    deep = chosen(projected("one", [["a"]] * 80, {}), 5)
    axes, other = drawn(deep, chosen(deep.assign(task="two"), 60)).figure.axes
    labels = [int(label.get_text()) for label in axes.get_yticklabels()]
    assert labels[:2] == [5, 7]
    assert (len(labels) <= 2 + MOST_BLOCKS, labels[2] >= 39, labels[-1]) == (True, True, 79)
    framed = {patch.get_y() for patch in other.patches if not patch.get_fill()}
    labels = [int(label.get_text()) for label in other.get_yticklabels()]
    assert framed == {labels.index(60), labels.index(62)}
    figure = drawn(*[deep.assign(task=name) for name in "abc"]).lettered()
    assert figure.axes[0].get_window_extent().width / figure.dpi / TOKENS > CELL  # width of a text


def test_any_token_is_drawn_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # no draft: letters are cut out of their fonts
    words = [*WORDS.values(), "\ufffd", "<0x0A>", "日本", ""]
    blocks = [words[start : start + TOKENS] for start in range(0, len(words), TOKENS)]
    rows = [
        chosen(projected(f"{number}", [block], {}, answers=words[::2]), 0)
        for number, block in enumerate(blocks)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot = drawn(*rows, all_tokens=True)
        for path in plot.write(tmp_path, "tokens", svg=True):
            assert path.stat().st_size > 0
        drawn(*rows).lettered().draw_without_rendering()
    said = [text.get_text() for axes in plot.figure.axes for text in axes.texts]
    assert len(said) == len(words)


def test_what_cannot_be_drawn_is_named_by_its_script() -> None:
    scripts = {"日本": "Han", "a語": "Han", "สวัสดี": "Thai", "שלום": "Hebrew", "سلام": "Arabic"}
    scripts["\ue123"] = "U+E123"
    assert {text: lettering.drawable(text) for text in scripts} == {
        t: f"‹{of}›" for t, of in scripts.items()
    }
    for text in ("größe", "История", "$x^{$"):
        assert lettering.drawable(text) == text


def test_letters_that_the_font_lacks_come_from_fonts_that_are_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lettering, "FALLBACKS", ("DejaVu Serif", "No Such Font"))
    lettering.families.cache_clear()
    assert lettering.families() == [lettering.FAMILY, "DejaVu Serif"]
    lettering.families.cache_clear()
