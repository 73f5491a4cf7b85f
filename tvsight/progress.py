"""A bar with the time that is left, on a terminal alone."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Moved = Callable[..., object]
"""Called when something is done: with anything, and with `by`, its share of the total where that
is not 1."""


def nobody(*_: object, by: float = 1) -> None:
    """No-op progress callback."""


@contextmanager
def bar(total: float | None, doing: str) -> Iterator[Moved]:
    """A bar on standard error while the block lasts, where that is a terminal.

    Args:
        total: of all that is to be done; None where nobody knows.
    """
    from rich.console import Console
    from rich.progress import Progress

    class Visible(Console):
        def show_cursor(self, show: bool = True) -> bool:
            return False  # a process that is killed could not bring it back

    console = Visible(stderr=True)
    with Progress(
        console=console,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
        speed_estimate_period=3600,
        disable=not console.is_terminal,
    ) as shown:
        task = shown.add_task(doing, total=total)

        def moved(*_: object, by: float = 1) -> None:
            shown.advance(task, by)

        yield moved
