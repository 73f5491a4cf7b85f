import html
import io
import os
import re
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.example_rows import task_rows
from tests.helpers.recorded import Table, central_table
from tvsight.errors import UsageError
from tvsight.output.latex import HEAD, PAGE
from tvsight.output.tables import Wording, write

MODEL, AWKWARD = "a|b_<script>&50%$#{}", "us_er|<b>&task"
LATEX = {
    **{r"\_": "_", r"\&": "&", r"\%": "%", r"\$": "$", r"\#": "#", r"\{": "{", r"\}": "}"},
    **{r"\allowbreak{}": "", r"\newline\scriptsize[": " [", ",~": ", "},
    **{"$<$": "<", "$>$": ">", "$|$": "|", "$-$": "−", "--": "–"},
}
SOME = Wording("A title", "A note.")


@pytest.fixture(scope="module")
def table() -> Table:
    """Two categories with two tasks and one, with all that a format could stumble over."""
    whole = central_table(
        task_rows("to_upper", (0, 19, 18, 17), model=MODEL, category="algorithmic"),
        task_rows("next_letter", (1, 3, 2, 2), model=MODEL, category="algorithmic"),
        task_rows(AWKWARD, (2, 11, 9, 9), model=MODEL, identified=False),
    )
    tasks, means = whole.cells
    of_all = means[means["Tasks are"] == "all"].drop(columns="Tasks are").reset_index(drop=True)
    return whole._replace(cells=[tasks, of_all])  # a row per model


@pytest.fixture(scope="module")
def cells(table: Table) -> list[pd.DataFrame]:
    return table.cells


@pytest.fixture(scope="module")
def written(table: Table, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The text of each file, by what follows its name."""
    paths = write(tmp_path_factory.mktemp("tables") / "new", "main", *table, aside=["Category"])
    texts = {path.name.removeprefix("main"): path.read_text(encoding="utf-8") for path in paths}
    assert list(texts) == [".csv", ".md", ".tex", "_full.tex"]
    return texts


def test_csv_holds_the_numbers(table: Table, written: dict[str, str]) -> None:
    found = pd.read_csv(io.StringIO(written[".csv"]))
    pd.testing.assert_frame_equal(found, table.numbers, check_dtype=False, rtol=1e-5)


def test_markdown_holds_the_cells(cells: list[pd.DataFrame], written: dict[str, str]) -> None:
    title, note, *tables = written[".md"].strip().split("\n\n")
    assert title.startswith("# Test accuracy task by task: a\\|b")
    assert note.startswith("A row is a task")
    assert [from_markdown(text) for text in tables] == [as_lists(frame) for frame in shown(cells)]
    assert tables[0].splitlines()[1].startswith("| ---")
    assert "-: |" in tables[0].splitlines()[1]


def test_latex_holds_the_cells(cells: list[pd.DataFrame], written: dict[str, str]) -> None:
    whole = shown(cells)
    assert from_latex(written["_full.tex"]) == [as_lists(frame) for frame in whole]
    assert all(rule in written["_full.tex"] for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    for kind in (".tex", "_full.tex"):
        assert written[kind].count(r"\caption[{Test accuracy task by task: a$|$b\_") == 1
    assert written[".tex"].count(r"\label{tab:tvsight-main}") == 1
    assert r"\label" not in written["_full.tex"]


def test_the_form_for_papers_has_panels_of_the_columns_that_papers_need(
    cells: list[pd.DataFrame], written: dict[str, str]
) -> None:
    of_tasks = as_lists(shown(cells)[0].drop(columns="Category"))
    panels = [panel for panel in from_latex(written[".tex"]) if panel[0][0] == "Task"]
    assert len(panels) > 1
    assert all(len(panel) == len(of_tasks) for panel in panels)
    for row, *parts in zip(of_tasks, *panels, strict=True):  # each panel begins with the task
        assert row == [parts[0][0], *(cell for part in parts for cell in part[1:])]
        assert {part[0] for part in parts} == {row[0]}


def test_a_model_of_several_rows_stands_above_them(tmp_path: Path) -> None:
    rows = pd.DataFrame({"Model": ["a", "b", "a", "b"], "Task": ["s", "s", "t", "t"]})
    text = write(tmp_path, "t", pd.DataFrame(), [rows], ["Model", "Task"], SOME)[2].read_text()
    assert re.findall(r"\\itshape (\w)}|^(\w) ", text, re.MULTILINE) == [
        *[("a", ""), ("", "s"), ("", "t")],
        *[("b", ""), ("", "s"), ("", "t")],
    ]


def test_no_name_becomes_markup(written: dict[str, str]) -> None:
    assert "<" not in written[".md"]
    assert written[".md"].count(r"a\|b_&lt;script>") == 2
    for kind in (".tex", "_full.tex"):
        body = written[kind].partition(HEAD)[2]
        assert not re.search(r"[_%$#]", re.sub(r"\\.|\$[<>|-]\$", "", body))


@pytest.mark.parametrize("model", ["007", "1e3", "0.50", "nan"])
def test_a_model_whose_name_looks_like_a_number_keeps_it(model: str, tmp_path: Path) -> None:
    numbers, (cells, means), names, wording = central_table(
        task_rows("one", (2, 10, 9, 9), model=model)
    )
    _, markdown, latex, _ = write(tmp_path, "main", numbers, [means, cells], names, wording)
    assert from_markdown(markdown.read_text().split("\n\n")[2])[1][0] == model
    assert rf"{{\itshape {model}}}" in latex.read_text()
    title = write(tmp_path, "main", numbers, [cells], names, wording)[1].read_text().split("\n")[0]
    assert title == f"# {wording.title}: {model}"


def test_a_line_break_in_a_name_does_not_break_its_row(tmp_path: Path) -> None:
    rows = task_rows("one", (2, 10, 9, 9), model="two\nlines")
    numbers, (_, means), names, wording = central_table(rows)
    path = write(tmp_path, "main", numbers, [means], names, wording)[1]
    expected = as_lists(means.replace("\n", " ", regex=True))
    assert from_markdown(path.read_text().split("\n\n")[2]) == expected


WORDS = pd.DataFrame(
    {
        "Model": ["m|1", "m|1"],
        "Rule": ["one way", "one way"],
        "Empty": ["", ""],
        "Block": ["11", "11"],
        "Rank": ["1,307", "12"],
        "Chance": ["<1e-9", "2e-5"],
        "Difference": ["-0.20 [-0.30, 0.10]", ""],
        "Token": ["語a语", "ein Ж"],
    }
)


def test_words_that_all_rows_share_are_said_above_and_numbers_stay(tmp_path: Path) -> None:
    _, markdown, latex, _ = write(tmp_path, "t", pd.DataFrame(), [WORDS], ["Model"], SOME)
    title, note, table = markdown.read_text().strip().split("\n\n")
    assert (title, note) == (r"# A title: m\|1", "A note. In every row: Rule one way.")
    assert from_markdown(table) == [
        ["Block", "Rank", "Chance", "Difference", "Token"],
        ["11", "1,307", "<1e-9", "-0.20 [-0.30, 0.10]", "語a语"],
        ["11", "12", "2e-5", "–", "ein Ж"],
    ]
    text = latex.read_text()
    assert (
        r"\caption[{A title: m$|$1}]{A title: m$|$1. A note. In every row: Rule one way.}" in text
    )
    assert r"11 & 1,307 & $<$$1\times10^{-9}$ & $-$0.20\newline\scriptsize[$-$0.30,~0.10] &" in text
    assert r"\tvsightletters{8A9E}{語}{U+8A9E}a\tvsightletters{8BED}{语}{U+8BED}" in text
    assert r"ein \tvsightletters{0416}{Ж}{U+0416} \\" in text


def test_one_row_keeps_all_its_columns(tmp_path: Path) -> None:
    _, markdown, *_ = write(tmp_path, "t", pd.DataFrame(), [WORDS[:1]], ["Model"], SOME)
    title, note, table = markdown.read_text().strip().split("\n\n")
    assert (title, note) == ("# A title", "A note.")
    assert from_markdown(table)[0] == list(WORDS)


def test_a_table_of_many_rows_may_break_across_pages(tmp_path: Path) -> None:
    for count in (PAGE - 1, PAGE):  # the caption needs less than a line
        cells = pd.DataFrame({"n": [str(number) for number in range(count)]})
        latex = write(tmp_path, "t", pd.DataFrame(), [cells], [], SOME)[2].read_text()
        assert (r"\begin{longtable}" in latex) == (count == PAGE)
        assert (r"\begin{tabular}" in latex) == (count < PAGE)
        assert latex.count("{A title. A note.}") == 1


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"file/tables cannot be written"):
        write(tmp_path / "file" / "tables", "main", pd.DataFrame(), [], [], SOME)


def shown(cells: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """The texts as they are written: the model of the first table is said above it."""
    return [cells[0].drop(columns="Model").replace("", "–"), *cells[1:]]


def as_lists(cells: pd.DataFrame) -> list[list[str]]:
    return [list(cells.columns), *cells.to_numpy().tolist()]


def from_markdown(text: str) -> list[list[str]]:
    """The cells of a table in GitHub's Markdown, its heading first, as a reader sees them."""
    lines = [line for line in text.strip().splitlines() if not re.fullmatch(r"[|: -]+", line)]
    split = [re.split(r"(?<!\\)\|", line.strip())[1:-1] for line in lines]
    return [
        [html.unescape(re.sub(r"\\(\W)", r"\1", cell.strip())) for cell in row] for row in split
    ]


def from_latex(text: str) -> list[list[list[str]]]:
    """The cells of each table, its heading first, as a reader sees them."""
    tables: list[list[list[str]]] = []
    for line in text.splitlines():
        if not line.endswith((r" \\", r" \\[2pt]")):
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)&", line.rpartition(r" \\")[0])]
        if line.startswith(r"\multicolumn{1}"):
            tables.append([])
            cells = [re.sub(r".*pt}}{(.*)}", r"\1", cell) for cell in cells]
        tables[-1].append([seen(cell) for cell in cells])
    return tables


def seen(cell: str) -> str:
    """A cell of LaTeX as text."""
    known = re.compile("|".join(map(re.escape, LATEX)))
    return known.sub(lambda found: LATEX[found[0]], cell)


@pytest.mark.parametrize("kind", ["csv", "md", "tex"])
def test_a_file_of_somebody_else_stays(table: Table, tmp_path: Path, kind: str) -> None:
    for _ in range(2):  # an own one is replaced
        write(tmp_path, "main", *table)
    (tmp_path / f"main.{kind}").write_text("name,phone\n")
    with pytest.raises(UsageError, match=rf"did not write main\.{kind}, which is there; move it"):
        write(tmp_path, "main", *table)
    assert (tmp_path / f"main.{kind}").read_text() == "name,phone\n"


@pytest.mark.parametrize("kind", ["csv", "md", "tex"])
def test_no_more_than_the_heading_of_a_file_is_read(
    table: Table, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / f"main.{kind}"
    file.touch()
    os.truncate(file, 10**12)  # which no memory holds
    with pytest.raises(UsageError, match=rf"did not write main\.{kind}"):
        write(tmp_path, "main", *table)
