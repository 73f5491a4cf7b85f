"""The committed tables, and words of every script, set by LaTeX."""

from pathlib import Path

import pandas as pd
import pytest
from matplotlib import get_data_path

from tests.helpers.commands import ROOT
from tests.helpers.hostile import WORDS
from tests.helpers.typesetting import NEEDS_LATEX, NEEDS_LUALATEX, compiled
from tvsight.output.latex import FULL, HEAD, WIDE_LINE
from tvsight.output.tables import Wording, write
from tvsight.texts import latex

TABLES = ROOT / "results" / "tables"
WIDE_PAGE = (
    rf"\textwidth={WIDE_LINE}pt\columnwidth=\textwidth\hsize=\textwidth\linewidth=\textwidth" "\n"
)
FONT = r"\usepackage{fontspec}\setmainfont{DejaVuSans.ttf}[Path=" + f"{get_data_path()}/fonts/ttf/]"
LETTER, CODE_POINT = "Ж", "語"
"""One that the font has, and one that it lacks."""


@NEEDS_LATEX
@pytest.mark.parametrize("is_wide", [False, True])
def test_latex_sets_every_committed_table_within_its_line(is_wide: bool, tmp_path: Path) -> None:
    tables = sorted(path for path in TABLES.glob("*.tex") if path.name.endswith(FULL) == is_wide)
    assert len(tables) == len(list(TABLES.glob("*.md")))
    inputs = "".join(rf"\input{{{table}}}\clearpage" + "\n" for table in tables)
    assert compiled(tmp_path, (WIDE_PAGE if is_wide else "") + inputs) == []


@NEEDS_LATEX
def test_latex_sets_a_table_of_long_and_hostile_words_within_its_line(tmp_path: Path) -> None:
    words = [word[:40] for word in WORDS.values()]
    cells = pd.DataFrame({"Model": words, "Task": words[::-1], "Accuracy": "-0.20 [-0.30, -0.10]"})
    write(tmp_path, "t", cells, [cells, cells], ["Model", "Task"], Wording(words[0], words[1]))
    assert compiled(tmp_path, r"\sloppy\input{t.tex}") == []


@NEEDS_LATEX
def test_latex_sets_any_word(tmp_path: Path) -> None:
    letters = "".join(chr(code) for code in range(0x20, 0x2AF))
    words = (letters, *WORDS.values(), "θ ␣ … “a” ‘b’ − × → ±")
    compiled(tmp_path, "\n\n".join([HEAD, *(latex(word[:700]) for word in words)]))


@NEEDS_LUALATEX
def test_lualatex_sets_the_letters_that_its_font_has(tmp_path: Path) -> None:
    cells = pd.DataFrame({"Token": [f"ein {LETTER}", f"a{CODE_POINT}b"]})
    write(
        tmp_path, "t", cells, [cells], ["Token"], Wording(f"{LETTER} and {CODE_POINT}", "A note.")
    )
    pairs = {LETTER: LETTER, CODE_POINT: rf"\texttt{{U+{ord(CODE_POINT):04X}}}"}
    same = r"\ifdim\wd0=\wd1\else\errmessage{another width}\fi"
    boxes = "".join(
        rf"\setbox0\hbox{{{latex(letter)}}}\setbox1\hbox{{{shown}}}{same}"
        for letter, shown in pairs.items()
    )
    compiled(tmp_path, rf"\input{{t.tex}}{boxes}", FONT, "lualatex")
