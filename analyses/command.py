"""What every analysis shares on the command line: options, errors, exit codes."""

import gc
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import tyro

from tvsight.config import RunConfig
from tvsight.errors import ServerError, TvsightError, UsageError

FAILURE_EXIT, USAGE_EXIT, SERVER_EXIT, INTERRUPT_EXIT = 1, 2, 3, 130

Options = TypeVar("Options")


def command(options: type[Options], main: Callable[[Options], int], description: str) -> None:
    """Read options from the command line, run, and leave with an exit code.

    0: done. 1: a task failed, or a result is not as it should be. 2: the request cannot be
    carried out as written. 3: a server does not do its work now. 130: interrupted.
    """
    module = sys.modules["__main__"].__spec__
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
        if isinstance(chosen, RunConfig):
            chosen.check_replay(_given(sys.argv[1:]))
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


def _given(arguments: Sequence[str]) -> set[str]:
    """The fields whose options stand on a command line, in either spelling that tyro takes."""
    options = [word.partition("=")[0] for word in arguments if word.startswith("--")]
    return {option[2:].replace("-", "_") for option in options}


def _complain(message: str, code: int) -> None:
    from rich.console import Console
    from rich.text import Text

    from tvsight.texts import printable

    console = Console(stderr=True)
    told = Text.assemble(("error:", "bold red"), " ", printable(message))
    console.print(told, soft_wrap=not console.is_terminal)
    sys.exit(code)
