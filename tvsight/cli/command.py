"""The command line of every analysis: options, errors, exit codes."""

import ast
import gc
import inspect
import io
import os
import select
import shutil
import sys
import textwrap
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from contextvars import ContextVar
from dataclasses import Field, field, fields, make_dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, TextIO, TypeVar

import tyro

from tvsight.config import Rules, RunConfig, check_given, check_values
from tvsight.errors import Remark, ServerError, TvsightError, UsageError, needed, option

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

FAILURE_EXIT, USAGE_EXIT, SERVER_EXIT, INTERRUPT_EXIT = 1, 2, 3, 130

PROGRAM: ContextVar[str | None] = ContextVar("PROGRAM", default=None)
"""The command as it was typed, where that is not `python -m` and a module."""

TYPES = "__annotations__"
"""The attribute in which a class keeps the types of the fields that it adds."""

MAX_LINES = 20
"""Most lines of tyro's on a mistake in the options, one that was left out apart."""

HELP_ALL = "--help-all"
COMMON = (
    *("model", "tasks", "task_file", "shots", "seed"),
    *("remote", "results", "redraw", "overwrite", "verbose"),
)
"""Options of every run that --help shows; --help-all shows the others too."""

Options = TypeVar("Options")


def command(
    options: type[Options],
    main: Callable[[Options], int],
    description: str | None,
    rules: Rules | None = None,
) -> None:
    """Read options from the command line, run, and exit with a code; see `leave`.

    Args:
        rules: by default those that the options have as `rules`, or none.
    """
    known = getattr(options, "rules", Rules()) if rules is None else rules
    leave(lambda: _run(options, main, description, known))


def leave(run: Callable[[], int]) -> None:
    """Run, and exit with the code that it returns or that stands for its error.

    0: done. 1: a task failed, a result is not as it should be, or the output could not be written.
    2: the request cannot be carried out as written. 3: a server does not do its work now. 130:
    interrupted.
    """
    faults: list[OSError] = []
    os.environ["MPLBACKEND"] = "agg"  # figures are files; a wrong one would end the program
    sys.stdout = _unfailing(sys.stdout, faults)
    sys.stderr = _unfailing(sys.stderr, [])
    code = _caught(run)
    sys.stdout.flush()
    if faults and not isinstance(faults[0], BrokenPipeError):  # that one is `| head`
        told = f"The output could not be written: {faults[0].strerror}."
        code = _complain(told, code or FAILURE_EXIT)
    sys.exit(code)


def _run(
    options: type[Options], main: Callable[[Options], int], description: str | None, rules: Rules
) -> int:
    _say_remarks()
    arguments = ["--help" if typed == HELP_ALL else typed for typed in sys.argv[1:]]
    is_brief = issubclass(options, RunConfig) and HELP_ALL not in sys.argv
    if is_help := not {"-h", "--help"}.isdisjoint(arguments):
        print(_described(description or "", is_brief), end="\n\n")
    explained = io.StringIO()
    try:
        with redirect_stderr(explained):
            chosen = tyro.cli(
                _grouped(options, is_help and is_brief),
                args=arguments,
                prog=PROGRAM.get() or _module(),
                description="",
                config=(
                    tyro.conf.FlagCreatePairsOff,
                    tyro.conf.OmitArgPrefixes,
                    tyro.conf.OmitSubcommandPrefixes,
                ),
            )
    except SystemExit as end:  # --help, or a mistake that tyro has explained
        lines = explained.getvalue().splitlines()
        if len(lines) > MAX_LINES:
            lines[MAX_LINES // 2 : -MAX_LINES // 2] = ["…"]
        print(*lines, sep="\n", end="\n" * bool(lines), file=sys.stderr)
        return int(end.code or 0)
    if issubclass(options, RunConfig):
        groups = [getattr(chosen, entry.name) for entry in fields(chosen)]
        chosen = options(**{name: value for group in groups for name, value in vars(group).items()})
    given = _check(getattr(chosen, "action", chosen), sys.argv[1:], rules)
    if isinstance(chosen, RunConfig) and chosen.remote:
        from tvsight.run.places import prepared

        chosen = prepared(chosen, named="model" in given)
    return main(chosen)


def _described(description: str, is_brief: bool) -> str:
    """What --help says above the options: paragraphs as wide as the terminal, examples as lines."""
    wide = shutil.get_terminal_size().columns
    parts = [
        part if part.startswith(" ") else textwrap.fill(" ".join(part.split()), wide)
        for part in description.strip().split("\n\n")
    ]
    more = [f"{HELP_ALL} lists all options."] if is_brief else []
    return "\n\n".join([*parts, *more])


def _grouped(options: type[Any], is_brief: bool = False) -> type[Any]:
    """The options of a run in one dataclass per group, which --help shows as a box each. Options of
    other commands stay as they are.

    Args:
        is_brief: without the options of every run that are not in `COMMON`.
    """
    if not issubclass(options, RunConfig):
        return options
    groups: dict[str, type[Any]] = {}
    for owner in reversed(options.__mro__):
        own = [entry for entry in fields(options) if entry.name in vars(owner).get(TYPES, ())]
        if is_brief and owner is RunConfig:
            own = [entry for entry in own if entry.name in COMMON]
        for group in dict.fromkeys(_group(owner, entry) for entry in own):
            groups[group] = make_dataclass(
                owner.__name__,
                [
                    (entry.name, _helped(owner, entry), field(default=entry.default))
                    for entry in own
                    if _group(owner, entry) == group
                ],
                bases=(groups[group],) if group in groups else (),
                namespace={"__module__": owner.__module__},
            )
    shown = [(name, group, field(default_factory=group)) for name, group in groups.items()]
    return make_dataclass(options.__name__, shown)


def _helped(owner: type, entry: "Field[Any]") -> Any:
    """The type of an option with its help, without the line ends of the source."""
    return Annotated[entry.type, tyro.conf.arg(help=_documented(owner)[entry.name])]


@cache
def _documented(owner: type) -> dict[str, str]:
    """The help of each option, from the text below it in the source of its class."""
    (source,) = ast.parse(inspect.getsource(owner)).body
    known = {}
    for node, below in pairwise(getattr(source, "body", [])):
        match node, below:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                known[name] = " ".join(text.split())
    return known


def _group(owner: type, entry: "Field[Any]") -> str:
    return str(entry.metadata["group"]) if owner is RunConfig else "analysis"


def _module() -> str | None:
    """`python -m` and the module that runs; None where a file runs."""
    module = sys.modules["__main__"].__spec__
    return f"python -m {module.name}" if module else None


def _caught(run: Callable[[], int]) -> int:
    """The exit code of a function; its error is printed."""
    try:
        with needed():
            return run()
    except UsageError as error:
        return _complain(str(error), USAGE_EXIT)
    except ServerError as error:
        return _complain(str(error), SERVER_EXIT)
    except TvsightError as error:
        return _complain(str(error), FAILURE_EXIT)
    except OSError as error:  # a folder that may not be read, say
        if error.filename is None:
            raise
        return _complain(f"{error.filename}: {error.strerror}.", USAGE_EXIT)
    except KeyboardInterrupt:
        gc.freeze()  # with torch loaded, collecting everything on the way out takes a second
        kept = "What is complete is kept: repeat the command to go on."
        return _complain(kept, INTERRUPT_EXIT, "interrupted:")
    except Exception:
        raise
    except BaseException as error:  # of a method file, or of code in a checkpoint
        ended = f"Code that is not of tvsight ended the program: {type(error).__name__} {error}"
        return _complain(ended, FAILURE_EXIT)


def _say_remarks() -> None:
    """Show each later remark once, in a line, and other warnings as usual."""
    usual, said = warnings.showwarning, set[str]()

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        from tvsight.texts import told

        if not issubclass(category, Remark):
            usual(message, category, *place, **more)
        elif str(message) not in said:
            said.add(str(message))
            print(f"note: {told(str(message))}", file=sys.stderr)

    warnings.simplefilter("always", Remark)
    warnings.showwarning = show


def _check(chosen: Any, arguments: Sequence[str], rules: Rules) -> dict[str, str]:
    """Check that no option is repeated, empty, or contradicts another; returns those that are
    given, as typed, by field."""
    check_values(chosen)
    known = {entry.name for entry in fields(chosen)}
    given: dict[str, str] = {}
    for argument in arguments:
        typed = argument.partition("=")[0].replace("_", "-")
        name = typed.removeprefix("--").removeprefix("no-").replace("-", "_")
        if not typed.startswith("--") or name not in known:
            continue
        several = isinstance(getattr(chosen, name), tuple)
        if name in given:
            how = f", as in {option(name)} A B" if several else ""
            raise UsageError(f"{typed} is given more than once: give it once{how}.")
        if several and not getattr(chosen, name):
            raise UsageError(f"{typed}: at least one value was expected after it.")
        given[name] = typed
    usual = {entry.name for entry in fields(chosen) if getattr(chosen, entry.name) == entry.default}
    check_given(given, rules, usual)
    return given


def _unfailing(stream: TextIO | None, faults: list[OSError]) -> TextIO:
    """A stream that accepts everything that is printed.

    Characters that its encoding lacks are replaced. Output that its file refuses is dropped: a run
    goes on when nobody reads what it prints, since what it measures is stored.

    Args:
        faults: receives the first error of the file.
    """
    if stream is None:  # it was closed
        return open(os.devnull, "w")
    try:
        number = stream.fileno()
    except OSError:  # it is no file, but part of a notebook, say
        return stream
    buffer = io.BufferedWriter(_Output(number, faults))
    return io.TextIOWrapper(buffer, stream.encoding, errors="replace", line_buffering=True)


class _Output(io.FileIO):
    """See `_unfailing`."""

    def __init__(self, number: int, faults: list[OSError]) -> None:
        super().__init__(number, "w", closefd=False)
        self._faults = faults

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write what the file accepts; returns the number of bytes that need no further attempt."""
        while not self._faults:
            try:
                written = super().write(data)
            except OSError as error:
                self._faults.append(error)
            else:
                if written is not None:
                    return written
                select.select([], [self], [])  # a full pipe that does not block
        return memoryview(data).nbytes


def _complain(message: str, code: int, what: str = "error:") -> int:
    from rich.console import Console
    from rich.text import Text

    from tvsight.texts import told

    console = Console(stderr=True)
    style = "bold red" if what == "error:" else "bold"
    line = Text.assemble((what, style), " ", told(message))
    console.print(line, soft_wrap=not console.is_terminal)
    return code
