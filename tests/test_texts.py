import html
import io
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.helpers.example_rows import task_rows
from tests.helpers.hostile import JOINERS, WORDS, raw
from tests.helpers.recorded import central
from tvsight.experiments.main_results import NAME
from tvsight.output.console import Display
from tvsight.output.labels import display_name, shortened
from tvsight.output.tables import write
from tvsight.texts import latex, markdown, one_line, printable
from tvsight.writing import folder_name

ANY = st.text(st.characters()) | st.sampled_from(sorted(WORDS.values()))


@given(ANY)
def test_nothing_raw_is_left_and_plain_text_stays(text: str) -> None:
    assert raw(printable(text)) <= {"\t"}
    assert raw(one_line(text)) == set()
    assert "\n" not in one_line(text)
    assert printable(printable(text)) == printable(text)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "M"])))
def test_letters_of_any_script_and_signs_are_shown_as_they_are(text: str) -> None:
    assert printable(text) == text


def test_what_is_not_to_be_seen_is_written_out() -> None:
    assert printable("a\x1b[31m\u202e\ud800") == r"a\x1b[31m\u202e\ud800"
    assert printable(f"👩{JOINERS}🔬") == f"👩{JOINERS}🔬"


@given(ANY)
def test_latex_has_no_letter_that_pdflatex_lacks_and_no_command_of_the_text(text: str) -> None:
    shown = re.sub(r"(?<=\\tvsightletters){\w+}{[^{}\\]+}", "", latex(text))  # for lualatex alone
    assert "\n" not in shown
    assert all(ord(character) < 0x100 for character in shown)
    ours = (
        r"\\(text\w+|tvsightletters|dots|to|times|pm|alpha|theta)\b|\\[&%$#_{}]|\$[<>|-]?\$?|[{}~]"
    )
    assert "\\" not in re.sub(ours, "", shown)


def test_latex_writes_what_it_lacks_as_code_points() -> None:
    assert latex("a_b 5 %") == r"a\_b 5 \%"
    assert latex("x < y | “z”") == "x $<$ y $|$ ``z''"
    assert latex("en → fr – 2 × θ") == r"en $\to$ fr -- 2 $\times$ $\theta$"
    assert latex("größe Ж日本") == (r"größe \tvsightletters{0416}{Ж日本}{U+0416 U+65E5 U+672C}")


@given(ANY)
def test_markdown_shows_a_text_as_it_stands_on_one_line(text: str) -> None:
    shown = re.sub(r"\\(\W|_)", r"\1", html.unescape(markdown(text)))
    # Unescaping entities first is the wrong way round for a text that holds some.
    if "&" not in text:
        assert shown == one_line(text)
    assert "<" not in markdown(text)
    assert not re.search(r"(?<!\\)(\\\\)*[|`*\[\]~!$]", markdown(text))


@pytest.mark.parametrize("name", ["to_upper", "mean of algorithmic", "GPT-J 6B", "a-b_2.c"])
def test_usual_names_need_no_escapes(name: str) -> None:
    assert markdown(name) == name


@pytest.mark.parametrize("word", WORDS)
def test_nothing_raw_reaches_the_terminal(word: str) -> None:
    terminal = True  # which gets all that a file gets, and more
    text, file = WORDS[word], io.StringIO()
    console = Console(file=file, force_terminal=terminal, color_system=None, width=80)
    display = Display(console)
    display.note(text)
    display.stored(text, 1, 2, text)
    display.failures({text: text})
    display.failed(text, text)
    display.jobs([(text, text, text)])
    display.written([Path(text)])
    display.table(pd.DataFrame({text: [text], "b": ["c"]}), text, ["b"])
    display.measured(text, text)
    with display.tasks(text, 1):
        display.task(text)
        display.phase(text)
        display.jobs([(text, text, text)])
    shown = file.getvalue()
    if terminal:  # rich itself moves the cursor for the progress bar, and hides it
        shown = re.sub(r"\x1b\[(\?25[lh]|1A|2K|2;1H|H)|\r", "", shown)
    assert raw(shown) <= {"\t"}
    assert "💀" not in shown


@pytest.mark.parametrize(
    ("first", "last"), [(0, 8), pytest.param(8, 16, marks=pytest.mark.slow), (16, len(WORDS))]
)
def test_no_name_breaks_a_table_or_a_figure(first: int, last: int, tmp_path: Path) -> None:
    """Some words as names of models, tasks and categories, each of another kind in turn."""
    texts = [*WORDS.values()][first:last]
    kinds = zip(texts, texts[1:] + texts[:1], texts[2:] + texts[:2], strict=True)
    rows = [
        *(
            task_rows(task, (1, 9, 8, 7), model=model, category=category)
            for model, task, category in kinds
        ),
        task_rows("b", (0, 9, 9, 9)),
    ]
    drawn = central(*rows)
    numbers, cells, names = drawn.tables[NAME], drawn.cells[NAME], drawn.escaped[NAME]
    _, md, _, tex = write(tmp_path, "main", numbers, cells, sorted(names), drawn.wordings[NAME])
    for path in (md, tex):
        assert raw(path.read_text(encoding="utf-8")) == set()
    assert "<" not in md.read_text(encoding="utf-8")
    _, _, *tables = md.read_text(encoding="utf-8").strip().split("\n\n")
    for text_of_table, frame in zip(tables, cells, strict=True):
        lines = text_of_table.splitlines()
        assert len(lines) == len(frame) + 2
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    latex = tex.read_text(encoding="utf-8")
    assert r"\input" not in latex
    assert latex.count(r" \\[2pt]") == sum(map(len, cells))
    for text in texts:
        assert raw(display_name(text)) | raw(shortened(text)) == set()
    names = {f"{NAME}_by_task_{folder_name(model)}" for model in (*texts, "a-model")}
    assert drawn.figures.keys() >= names
    for plot in drawn.figures.values():
        figure = plot.lettered("full")
        texts = [artist.get_text() for artist in figure.findobj(lambda a: hasattr(a, "get_text"))]
        assert raw("".join(texts)) == set()
        figure.savefig(io.BytesIO(), format="png", dpi=15)
