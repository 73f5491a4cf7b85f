import html
import io
import re
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.example_rows import task_rows
from tests.helpers.recorded import Table, central_table
from tvsight.errors import UsageError
from tvsight.output.tables import MOST_ROWS, Wording, write

MODEL, AWKWARD = "a|b_<script>&50%$#{}", "us_er|<b>&task"
LATEX = {
    **{r"\_": "_", r"\&": "&", r"\%": "%", r"\$": "$", r"\#": "#", r"\{": "{", r"\}": "}"},
    **{"$<$": "<", "$>$": ">", "$|$": "|", "$-$": "−", "--": "–"},
}
SOME = Wording("A title", "A note.")


@pytest.fixture(scope="module")
def table() -> Table:
    """Two categories with two tasks and one, with all that a format could stumble over."""
    return central_table(
        task_rows("to_upper", (0, 19, 18, 17), model=MODEL, category="algorithmic"),
        task_rows("next_letter", (1, 3, 2, 2), model=MODEL, category="algorithmic"),
        task_rows(AWKWARD, (2, 11, 9, 9), model=MODEL, identified=False),
    )


@pytest.fixture(scope="module")
def cells(table: Table) -> list[pd.DataFrame]:
    return table.cells


@pytest.fixture(scope="module")
def written(table: Table, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The text of each file, by suffix."""
    paths = write(tmp_path_factory.mktemp("tables") / "new", "main", *table)
    assert [path.name for path in paths] == ["main.csv", "main.md", "main.tex"]
    return {path.suffix: path.read_text(encoding="utf-8") for path in paths}


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
    tables = re.findall(r"\\begin{tabular}.*?\\end{tabular}", written[".tex"], re.DOTALL)
    assert [from_latex(text) for text in tables] == [as_lists(frame) for frame in shown(cells)]
    assert r"\begin{tabular}{llr" in written[".tex"]
    assert written[".tex"].count(r"\caption{Test accuracy task by task: a$|$b\_") == 1
    assert all(rule in written[".tex"] for rule in (r"\toprule", r"\midrule", r"\bottomrule"))


def test_no_name_becomes_markup(written: dict[str, str]) -> None:
    assert "<" not in written[".md"]
    assert written[".md"].count(r"a\|b_&lt;script>") == 3
    unescaped = re.sub(r"\\.|\$[<>|-]\$", "", written[".tex"].split("\n", 1)[1])
    assert not re.search(r"[_%$#]", unescaped)


@pytest.mark.parametrize("model", ["007", "1e3", "0.50", "nan"])
def test_a_model_whose_name_looks_like_a_number_keeps_it(model: str, tmp_path: Path) -> None:
    numbers, (cells, means), names, wording = central_table(
        task_rows("one", (2, 10, 9, 9), model=model)
    )
    _, markdown, latex = write(tmp_path, "main", numbers, [means, cells], names, wording)
    assert from_markdown(markdown.read_text().split("\n\n")[2])[1][0] == model
    assert from_latex(latex.read_text())[1][0] == model
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
    _, markdown, latex = write(tmp_path, "t", pd.DataFrame(), [WORDS], ["Model"], SOME)
    title, note, table = markdown.read_text().strip().split("\n\n")
    assert (title, note) == (r"# A title: m\|1", "A note. In every row: Rule one way.")
    assert from_markdown(table) == [
        ["Block", "Rank", "Chance", "Difference", "Token"],
        ["11", "1,307", "<1e-9", "-0.20 [-0.30, 0.10]", "語a语"],
        ["11", "12", "2e-5", "–", "ein Ж"],
    ]
    text = latex.read_text()
    assert r"\caption{A title: m$|$1. A note. In every row: Rule one way.}" in text
    assert r"\begin{tabular}{rrrrl}" in text
    assert r"11 & 1,307 & $<$$1\times10^{-9}$ & $-$0.20 [$-$0.30, 0.10] &" in text
    assert r"\texttt{U+8A9E}a\texttt{U+8BED}" in text
    assert r"ein \texttt{U+0416} \\" in text


def test_one_row_keeps_all_its_columns(tmp_path: Path) -> None:
    _, markdown, _ = write(tmp_path, "t", pd.DataFrame(), [WORDS[:1]], ["Model"], SOME)
    title, note, table = markdown.read_text().strip().split("\n\n")
    assert (title, note) == ("# A title", "A note.")
    assert from_markdown(table)[0] == list(WORDS)


def test_a_table_of_many_rows_may_break_across_pages(tmp_path: Path) -> None:
    for count in (MOST_ROWS, MOST_ROWS + 1):
        cells = pd.DataFrame({"n": [str(number) for number in range(count)]})
        latex = write(tmp_path, "t", pd.DataFrame(), [cells], [], SOME)[2].read_text()
        assert (r"\begin{longtable}{r}" in latex) == (count > MOST_ROWS)
        assert (r"\begin{tabular}{r}" in latex) == (count <= MOST_ROWS)
        assert latex.count(r"\caption{A title. A note.}") == 1


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


def from_latex(text: str) -> list[list[str]]:
    """The cells of a tabular, its heading first."""
    rows = [line[:-2] for line in text.splitlines() if line.endswith(r"\\")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)&", row)] for row in rows]
    known = re.compile("|".join(map(re.escape, LATEX)))
    return [[known.sub(lambda found: LATEX[found[0]], cell) for cell in row] for row in cells]


@pytest.mark.parametrize("kind", ["csv", "md", "tex"])
def test_a_file_of_somebody_else_stays(table: Table, tmp_path: Path, kind: str) -> None:
    for _ in range(2):  # an own one is replaced
        write(tmp_path, "main", *table)
    (tmp_path / f"main.{kind}").write_text("name,phone\n")
    with pytest.raises(UsageError, match=rf"did not write main\.{kind}, which is there; move it"):
        write(tmp_path, "main", *table)
    assert (tmp_path / f"main.{kind}").read_text() == "name,phone\n"
