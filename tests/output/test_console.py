import io

import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from tvsight.output import console as output
from tvsight.output.console import TOGETHER, Display

TABLE = pd.DataFrame(
    {
        "Category": ["algorithmic", "linguistic"],
        "Task": ["to_upper", "present_simple_past_simple"],
        "ICL": ["0.71 [0.57, 0.81]", "0.93 [0.84, 0.97]"],
        "Task vector": ["0.62 [0.48, 0.74]", "0.88 [0.76, 0.95]"],
        "Log-probability": ["-1.2345678901", "-0.1234567890"],
        "n": ["50 (26)", "50 (48)"],
    }
)
NUMBERS = ["-1.2345678901", "-0.1234567890", "0.71", "0.93", "0.62", "0.88"]


def shown(width: int | None = None, terminal: bool = True) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=width, color_system=None)
    Display(console).table(TABLE, "Accuracy", ["Category", "n"])
    return file.getvalue()


@pytest.mark.parametrize("width", [16, 40, 90, 139])
def test_no_terminal_is_too_narrow_for_numbers(width: int) -> None:
    text = shown(width)
    assert [number for number in NUMBERS if number not in text] == []
    assert max(map(len, text.splitlines())) <= width


def test_what_a_narrow_terminal_lacks_is_said() -> None:
    assert "Left out at 90 columns: intervals, Category, n." in shown(90)
    assert "0.57" not in shown(90)
    assert "Left out" not in shown(140)
    for wide_enough_or_a_line_a_cell in (140, 40):
        text = shown(wide_enough_or_a_line_a_cell)
        assert all(interval in text for interval in ("[0.57, 0.81]", "50 (48)", "linguistic"))


@pytest.mark.parametrize(
    ("columns", "width"),
    [(None, 170), ("", 170), ("0", 170), ("wide", 170), ("40", 40), ("240", 240)],
)
def test_a_pipe_is_as_wide_as_columns_says_or_a_page(
    columns: str | None, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    display = Display(Console(file=io.StringIO()))
    assert display.console.width == width
    text = shown(terminal=False)
    assert max(map(len, text.splitlines())) <= width
    for column in TABLE:
        for word in " ".join(TABLE[column]).split():
            assert word in text


WORDS = ["", "word", "漢字 漢字", "words that do not fit into their column", "a"]


@pytest.mark.parametrize("width", [20, 30, 40, 100])
def test_rows_that_are_drawn_together_look_as_when_they_are_drawn_alone(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pd.DataFrame({"First": WORDS * 3, "Second": [*WORDS[1:], *WORDS, *WORDS, ""]})

    def drawn() -> str:
        console = Console(file=io.StringIO(), width=width, force_terminal=True)
        Display(console).table(table, "Words")
        return console.file.getvalue()

    together = drawn()
    monkeypatch.setattr(output, "_together", lambda rows, widths: ([row] for row in rows))
    assert together == drawn()


def test_a_long_table_is_not_drawn_cell_by_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    add_row = Table.add_row
    monkeypatch.setattr(
        Table, "add_row", lambda *row: (drawn.extend(map(str, row[1:])), add_row(*row))
    )
    names = [f"task {number}" for number in range(1000)]
    Display(Console(file=io.StringIO())).table(pd.DataFrame({"Task": names}), "Tasks")
    assert drawn == ["\n".join(names[at : at + TOGETHER]) for at in range(0, 1000, TOGETHER)]


def test_a_long_line_of_a_pipe_stays_one_line() -> None:
    display = Display(Console(file=io.StringIO()))
    display.failures({"a": "word " * 100})
    assert len(display.console.file.getvalue().splitlines()) == 1
