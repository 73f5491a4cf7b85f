"""What every analysis shares on the command line: options, errors, exit codes."""

import gc
import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import tyro

from tvsight.errors import Remark, ServerError, TvsightError, UsageError

FAILURE_EXIT, USAGE_EXIT, SERVER_EXIT, INTERRUPT_EXIT = 1, 2, 3, 130

Options = TypeVar("Options")


def command(options: type[Options], main: Callable[[Options], int], description: str) -> None:
    """Read options from the command line, run, and leave with an exit code.

    0: done. 1: a task failed, or a result is not as it should be. 2: the request cannot be
    carried out as written. 3: a server does not do its work now. 130: interrupted.
    """
    module = sys.modules["__main__"].__spec__
    _say_remarks()
    try:
        chosen = tyro.cli(
            options,
            prog=f"python -m {module.name}" if module else None,
            description=description,
            config=(
                tyro.conf.FlagCreatePairsOff,
                tyro.conf.OmitArgPrefixes,
                tyro.conf.OmitSubcommandPrefixes,
            ),
        )
        sys.exit(main(chosen))
    except UsageError as error:
        _complain(str(error), USAGE_EXIT)
    except ServerError as error:
        _complain(str(error), SERVER_EXIT)
    except TvsightError as error:
        _complain(str(error), FAILURE_EXIT)
    except KeyboardInterrupt:
        gc.freeze()  # with torch loaded, collecting everything on the way out takes a second
        _complain(
            "Interrupted. What is complete is kept: repeat the command to go on.", INTERRUPT_EXIT
        )


def _say_remarks() -> None:
    """From here on show each remark once, in a line; other warnings as usual."""
    usual, said = warnings.showwarning, set[str]()

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        from tvsight.texts import printable

        if not issubclass(category, Remark):
            usual(message, category, *place, **more)
        elif str(message) not in said:
            said.add(str(message))
            print(f"note: {printable(str(message))}", file=sys.stderr)

    warnings.simplefilter("always", Remark)
    warnings.showwarning = show


def _complain(message: str, code: int) -> None:
    from rich.console import Console
    from rich.text import Text

    from tvsight.texts import printable

    console = Console(stderr=True)
    told = Text.assemble(("error:", "bold red"), " ", printable(message))
    console.print(told, soft_wrap=not console.is_terminal)
    sys.exit(code)
