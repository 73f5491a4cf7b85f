"""Options of every command, and output that cannot be written."""

import fcntl
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from tests.helpers.called_commands import called
from tests.helpers.commands import ROOT, SETTINGS, analysis
from tests.helpers.forked_commands import fork
from tvsight.cli import analysis as analyses
from tvsight.cli.analysis import analyse
from tvsight.cli.command import _check, leave
from tvsight.cli.sharing import Export
from tvsight.config import RULES, RunConfig
from tvsight.errors import UsageError
from tvsight.experiments import function_vectors
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.output.tables import Wording
from tvsight.run.outcome import Outcome, Stored
from tvsight.run.runner import Runner
from tvsight.storage.manifests import Key

LONG = "x" * 300
"""A name that no file can have."""

TABLE = "tables/main_results.csv"
MEASURED = ("--tasks", "to_upper", "--episodes-per-split", "4", "--shots", "3")
PIPE = 4096


def test_commands_are_forked_whatever_packages_have_set_on_import() -> None:
    """Else the same command would write figures in another way, once a test has used sklearn."""
    environment = os.environ | SETTINGS
    assert fork().suits(environment | {"KMP_INIT_AT_FORK": "FALSE", "COLUMNS": "80"})
    assert not fork().suits(environment | {"HF_ENDPOINT": "http://elsewhere"})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--model A --model B", r"--model is given more than once: .*, as in --model A B"),
        ("--shots 3 --shots 5", "--shots is given more than once: give it once"),
        ("--shots=3 --shots=3", "--shots is given more than once"),
        ("--shots 3 --shots=3", "--shots is given more than once"),
        ("--max_in_flight 2 --max-in-flight 2 --remote", "--max-in-flight is given more than once"),
        ("--remote --remote", "--remote is given more than once"),
        ("--no-vectors --no-vectors", "--no-vectors is given more than once"),
        ("--no-vectors --vectors", "--vectors is given more than once"),
        ("--remote --no-remote", "--no-remote is given more than once"),
        ("--redraw --device=auto", "--redraw excludes --device"),
        ("--task-file", "--task-file: at least one value was expected"),
    ],
)
def test_options_are_judged_as_they_were_typed(arguments: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        _check(RunConfig(redraw="--redraw" in arguments), arguments.split(), RULES)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--template", "--{x}->{y}", "--model", "A", "B", "--tasks", "shots,shots"),
        ("--template=--shots {x}{y}", "--shots", "3"),
        ("--max_in_flight=3", "--remote"),
    ],
)
def test_values_are_no_options(arguments: tuple[str, ...]) -> None:
    _check(RunConfig(), arguments, RULES)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("main_results --redraw --save-episodes x", "--redraw excludes --save-episodes: "),
        ("vector_clusters --perplexity nan", "--perplexity nan: a finite number"),
        ("vector_clusters --no-vectors", "--no-vectors: this analysis is about the vectors"),
        ("heads --no-vectors", "--no-vectors: it needs the means of heads"),
        (
            "controls --methods averaged_vector",
            "--methods averaged_vector: main_results, layer_sweep and shots compare it",
        ),
        ("shots --shots 3", "--shots: --shot-counts gives the numbers"),
        ("templates --max-job-episodes 100", "--max-job-episodes: its jobs are not cut"),
        ("templates --no-vectors", "--no-vectors: it stores no vectors"),
        ("conflicting_tasks --pairs", "--pairs: at least one value was expected"),
        ("tasks --tasks paper --tasks all", "--tasks is given more than once"),
        ("tasks --template arrow", "--template does nothing without --model: "),
        ("tasks --model=", "--model '': the text is empty"),
        ("results list --model", "--model: at least one value was expected"),
        ("results verify --results=", "--results '': the text is empty"),
        (f"main_results --seed {'9' * 400}", "--seed: at most 18 digits were expected"),
        (f"main_results --shots {'9' * 19}", "--shots: at most 18 digits were expected"),
        (f"layer_sweep --least-peak {'9' * 400}", "--least-peak inf: a finite number"),
        (f"results export --output {LONG}.zip", f"--output {LONG}.zip: File name too long"),
        (f"results export-paper {LONG}", f"--folder {LONG}: File name too long"),
        (f"main_results --save-episodes {LONG}", f"--save-episodes {LONG}: File name too long"),
        *(
            (f"{command} --results {LONG}", f"--results {LONG}: File name too long")
            for command in (
                *("results list", "results verify", "results clean --yes", "results export"),
                *("results export-paper x", "results push hf://a/b", "results pull hf://a/b"),
                *("report", "show antonyms", "main_results", "main_results --redraw"),
                *("main_results --dry-run", "ndif_status"),
            )
        ),
    ],
)
def test_a_mistake_ends_a_command_with_one_line(command: str, said: str) -> None:
    process = called(*command.split())
    assert (process.returncode, process.stdout) == (2, "")
    (line,) = process.stderr.splitlines()
    assert line.startswith(f"error: {said}")


@pytest.mark.parametrize("typed", ["x" * 5000, "x/" * 3000, "\n" * 5000, "\x1b\u202e" * 3000])
@pytest.mark.parametrize("name", ["model", "tasks", "results", "template", "host", "task-file"])
def test_no_value_fills_the_screen(name: str, typed: str) -> None:
    given = (f"--{name}", f"x{typed}", *(["--remote"] if name == "host" else []))
    process = called("main_results", "--dry-run", *given)
    assert (process.returncode, process.stdout) == (2, "")
    (line,) = process.stderr.splitlines()
    assert line.startswith("error: ")
    assert len(line) < 1600


@pytest.mark.parametrize("name", ["shots", "seed", "width", "captions", "no-such-option"])
def test_no_value_of_the_wrong_kind_fills_the_screen(name: str) -> None:
    process = called("main_results", f"--{name}", "x" * 5000)
    assert (process.returncode, process.stdout) == (2, "")
    lines = process.stderr.splitlines()
    assert len(lines) < 24
    assert "--help" in lines[-1] or "--help" in lines[-2]


def test_a_file_that_cannot_be_read_is_named_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for error, said in (
        (PermissionError(13, "Permission denied", "results/x"), "results/x: Permission denied."),
        (OSError(36, "File name too long", "x" * 5000), "File name too long."),
    ):

        def run(error: OSError = error) -> int:
            raise error

        with pytest.raises(SystemExit) as ended:
            leave(run)
        (line,) = capsys.readouterr().err.splitlines()
        assert ended.value.code == 2
        assert line.startswith("error: ")
        assert line.endswith(said)


def test_an_option_with_its_default_excludes_no_other() -> None:
    typed = ["--protocol", "paper", "--template", "question"]
    _check(function_vectors.Options(template="question"), typed, function_vectors.RULES)
    with pytest.raises(UsageError, match="--protocol excludes --template: "):
        _check(function_vectors.Options(protocol="todd"), typed, function_vectors.RULES)


def test_a_block_is_of_use_only_where_vectors_are_chosen_by_it() -> None:
    with pytest.raises(UsageError, match="--layer 3 does nothing without --vectors figures"):
        Export(layer=3)
    assert Export(layer=3, vectors="figures").layer == 3


@pytest.fixture(scope="module")
def run(
    tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str | Path, ...]:
    """A command whose results are stored."""
    results = tmp_path_factory.mktemp("run") / "results"
    where = ("--model", tiny_checkpoint("qwen2"), "--results", results)
    options = (*where, *MEASURED, "--verbose")
    assert analysis("main_results", *options).returncode == 0
    return ("main_results", *options, "--redraw")


def drawn_anew(run: tuple[str | Path, ...], stdout: int, **environment: str) -> "subprocess.Popen":
    """The same command with other output, its table removed before."""
    (Path(run[run.index("--results") + 1]) / TABLE).unlink(missing_ok=True)
    name, *options = run
    return subprocess.Popen(
        [sys.executable, "-m", f"analyses.{name}", *map(str, options)],
        cwd=ROOT,
        env=os.environ | SETTINGS | environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


def has_table(run: tuple[str | Path, ...]) -> bool:
    return (Path(run[run.index("--results") + 1]) / TABLE).exists()


@pytest.mark.slow
def test_characters_that_a_terminal_lacks_are_replaced(run: tuple[str | Path, ...]) -> None:
    process = drawn_anew(run, subprocess.PIPE, PYTHONIOENCODING="ascii:strict")
    shown, said = process.communicate()
    assert (process.returncode, said) == (0, "")
    assert "| algorithmic | to upper case " in shown
    assert "| ?   " in shown  # a dash where a category has no block
    assert has_table(run)


@pytest.mark.slow
def test_a_reader_that_leaves_ends_nothing(run: tuple[str | Path, ...]) -> None:
    process = drawn_anew(run, subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert (process.stderr.read(), process.wait()) == ("", 0)
    assert has_table(run)


@pytest.mark.slow
def test_a_full_device_is_said_once_the_files_are_written(run: tuple[str | Path, ...]) -> None:
    """And figures are drawn whatever shows them elsewhere."""
    with open("/dev/full", "w") as full:
        process = drawn_anew(run, full.fileno(), MPLBACKEND="no backend")
    _, said = process.communicate()
    assert process.returncode == 1
    assert said == "error: The output could not be written: No space left on device.\n"
    assert has_table(run)


def test_a_closed_output_ends_nothing() -> None:
    command = [sys.executable, "-m", "analyses.tasks"]
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
    done = subprocess.run(closed, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_a_full_pipe_that_does_not_block_is_waited_for(run: tuple[str | Path, ...]) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE)
    os.set_blocking(writing, False)
    process = drawn_anew(run, writing)
    os.close(writing)
    while process.poll() is None and not has_table(run):
        time.sleep(0.05)
    with open(reading, encoding="utf-8") as shown:
        text = shown.read()
    _, said = process.communicate()
    assert (process.returncode, said) == (0, "")
    assert len(text.encode()) > PIPE
    assert text.splitlines()[-1].startswith("Wrote ")


def test_files_are_written_before_anything_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tables" / "one.csv"
    there: list[bool] = []

    class Screen(io.StringIO):
        def write(self, text: str) -> int:
            there.append(file.exists())
            return super().write(text)

    def collect(runner: Runner, options: RunConfig) -> Outcome:
        rows = pd.DataFrame({"model": ["m"], "category": ["c"], "task": ["t"]})
        return Outcome([Stored(Key("m", "t"), Path("e", "m", "t"), rows)])

    def draw(outcome: Outcome, options: RunConfig, display: Display, drawn: Drawn) -> None:
        display.table(pd.DataFrame({"Accuracy": ["0.50"]}), "A table")
        drawn.table(outcome.table, [], names=[], wording=Wording("A table", "A note."))

    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    report = SimpleNamespace(collect=collect, draw=draw)
    monkeypatch.setattr(analyses, "report", lambda name: report)
    assert analyse("one", RunConfig(results=str(tmp_path))) == 0
    assert there
    assert all(there)
    assert screen.getvalue().index("0.50") < screen.getvalue().index("Wrote")


@pytest.mark.parametrize("end", [SystemExit(0), SystemExit("x"), type("End", (BaseException,), {})])
def test_foreign_code_that_ends_the_program_is_a_failure(
    end: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> int:
        raise end

    with pytest.raises(SystemExit) as ended:
        leave(run)
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: Code that is not of tvsight ended the program: ")
