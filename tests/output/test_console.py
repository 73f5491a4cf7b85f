import io
import sys
from types import SimpleNamespace
from typing import Any

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


def begun(display: Display, clock: list[float]) -> None:
    """A twentieth of the first of two tasks in each of two seconds."""
    display.task("antonyms")
    for second in (1, 2):
        clock[0] = second
        display.moved(second / 20)


def test_the_time_that_is_left_is_said_before_the_first_task_ends() -> None:
    clock, file = [0.0], io.StringIO()
    console = Console(
        file=file, force_terminal=True, width=120, color_system=None, get_time=lambda: clock[0]
    )
    display = Display(console)
    with display.tasks("some-model", 2):
        begun(display, clock)
        display._progress.refresh()
        assert "antonyms" in file.getvalue()
        assert "0/2 3.0 tasks/min 0:00:02 0:00:38" in file.getvalue()
        display.measured("antonyms", "done")
        assert display._progress.tasks[0].completed == 1
        display.moved(2)
        assert display._progress.tasks[0].completed == 1.99


def test_a_pipe_has_no_bar() -> None:
    file = io.StringIO()
    display = Display(Console(file=file))
    assert not display.is_live
    with display.tasks("some-model", 2):
        begun(display, [0.0])
    assert not file.getvalue()


def test_a_notebook_has_the_bar_without_widgets(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []

    def drawn(bar: Any, **_: Any) -> SimpleNamespace:
        console = Console(width=120, color_system=None)
        shown.append("")

        def update(bar: Any, raw: bool = False) -> None:
            with console.capture() as caught:
                console.print("" if raw else bar)
            shown.append(caught.get().strip())

        return SimpleNamespace(update=update)

    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=drawn))
    clock = [0.0]
    console = Console(force_jupyter=True, file=io.StringIO(), get_time=lambda: clock[0])
    display = Display(console)
    assert display.is_live
    with display.tasks("some-model", 2):
        begun(display, clock)
        assert "antonyms" in shown[-1]
        assert "0/2" in shown[-1]
        assert shown[-1].endswith("0:00:38")
    assert shown[-1] == ""
    assert not Display(Console(force_jupyter=True, quiet=True)).is_live
