import io

import pandas as pd
import pytest
from rich.console import Console

from tvsight.output.console import Display

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


def test_what_a_narrow_terminal_lacks_is_said() -> None:
    assert "Left out at 90 columns: intervals, Category, n." in shown(90)
    assert "0.57" not in shown(90)
    assert [number for number in NUMBERS if number not in shown(90)] == []
    assert "Left out" not in shown(140)
    assert all(text in shown(140) for text in ("[0.57, 0.81]", "50 (48)", "linguistic"))


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
    words = " ".join(TABLE.to_numpy().ravel()).split()
    assert width == 40 or all(word in text for word in words)


def test_a_long_line_of_a_pipe_stays_one_line() -> None:
    display = Display(Console(file=io.StringIO()))
    display.failures({"a": "word " * 100})
    assert len(display.console.file.getvalue().splitlines()) == 1
