import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.commands import analysis
from tests.helpers.example_method import example, write_example
from tvsight.errors import UsageError
from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.methods import CENTRAL, METHODS
from tvsight.methods.files import named_methods, read_method
from tvsight.protocol.methods import NAME
from tvsight.storage.store import Store

SIZES = ("--tasks", "to_upper", "--episodes-per-split", "4", "--shots", "3")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_example(tmp_path)


def test_a_file_is_a_method_by_its_name_title_and_checksum(file: Path) -> None:
    entry = read_method(file)
    assert (entry.key, entry.title) == ("median_state", "Median state")
    assert entry.identity["method"] == "median_state"
    assert re.fullmatch("sha256:[0-9a-f]{64}", entry.identity["method_source"])
    assert entry.load() is entry.load()
    assert read_method(file) == entry
    file.write_text(example() + "\n# changed\n")
    assert read_method(file).identity != entry.identity


def test_methods_come_once_each_in_the_order_of_their_names(file: Path) -> None:
    found = named_methods(["mean_state", "mean_state", *CENTRAL], str(file))
    assert [one.key for one in found] == ["mean_state", *CENTRAL, "median_state"]
    assert "method_source" not in METHODS["mean_state"].identity


def test_an_unknown_method_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown method 'mean_stat'.*'mean_state'.*own"):
        named_methods(["mean_stat"])


def titled(title: str) -> str:
    """The example with another title."""
    return f"{example()}\nTITLE = {title}\n"


SPOILT = {
    "missing": (None, "No such file or directory"),
    "syntax": (example().replace("def learn(", "def learn("[:-1]), "SyntaxError: "),
    "raises": ("1 / 0\n", "ZeroDivisionError: division by zero"),
    "exit with a text": ("import sys\nsys.exit('a\\nb')\n", "SystemExit: a b"),
    "an end of its own": ("raise type('End', (BaseException,), {})\n", "End: "),
    "a long story": ("raise ValueError('x ' * 10**6)\n", "ValueError: x x x"),
    "no method": (example().partition("METHOD =")[0], "KEY, TITLE and METHOD"),
    "no title": (example().replace("TITLE =", "NAME ="), "KEY, TITLE and METHOD"),
    "bad key": (example().replace('"median_state"', '"Median state"'), "KEY 'Median state': small"),
    "endless title": (titled('"x" * 10**8'), "at most 60 characters were expected, found 100,000"),
    "blank title": (titled('" " * 10**8'), "text without white space around it was expected"),
    "title of lines": (titled(r"'a\nb'"), "TITLE: 'a\\nb': text without a control character"),
    "title that recolours": (titled(r"'\x1b[31mred'"), "text without a control character"),
    "title of half a letter": (titled(r"'\ud800'"), "half of a character"),
    "title of another kind": (titled("['x']"), "KEY, TITLE and METHOD"),
    "endless key": (example() + "KEY *= 10**7\n", "at most 64, the first a letter"),
    "key of another kind": (example() + "KEY = ['x'] * 10**7\n", "at most 64"),
    "taken": (example().replace('"median_state"', '"mean_state"'), "has a method 'mean_state'"),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_what_is_no_method_is_refused_with_one_line(tmp_path: Path, spoilt: str) -> None:
    text, said = SPOILT[spoilt]
    own = tmp_path / "own.py"
    if text is not None:
        own.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        named_methods(CENTRAL, str(own))
    assert str(caught.value).startswith(f"--method-file {own}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_file_is_not_run_without_trust(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    own, ran = tmp_path / "own.py", tmp_path / "ran"
    own.write_text(f"open({str(ran)!r}, 'w')\n")
    where = ("--model", tiny_checkpoint("qwen2"), "--results", tmp_path / "r", *SIZES)
    refused = analysis("main_results", *where, "--method-file", own)
    assert (refused.returncode, refused.stdout) == (2, "")
    (line,) = refused.stderr.splitlines()
    assert line.endswith("Add --trust-method-file if you trust its author.")
    assert not ran.exists()
    broken = analysis("main_results", *where, "--method-file", own, "--trust-method-file")
    assert broken.returncode == 2
    assert broken.stderr.splitlines()[-1].startswith("error: --method-file ")
    assert "Traceback" not in broken.stderr
    assert ran.exists()


@pytest.mark.slow
def test_the_example_of_the_page_runs_here_and_as_on_a_server(
    tiny_checkpoint: Callable[[str], Path], file: Path, tmp_path: Path
) -> None:
    rows = []
    for place in ((), ("--remote-simulated",)):
        results = tmp_path / f"results{len(rows)}"
        where = ("--model", tiny_checkpoint("qwen2"), "--results", results, *SIZES)
        trusted = ("--method-file", file, "--trust-method-file")
        ended = analysis("main_results", *where, *trusted, *place)
        assert (ended.returncode, ended.stderr) == (0, "")
        table = pd.read_csv(results / "tables" / "main_results_methods.csv")
        assert "median_state" in table["procedure"].tolist()
        assert (results / "figures" / "main_results_methods_qwen2.png").exists()
        assert "Median state" in ended.stdout
        store = Store(results)
        (path,) = store.paths(NAME)
        manifest = json.loads((results / path / "manifest.json").read_text())
        assert manifest["identity"]["method"] == "median_state"
        assert manifest["place"]["kind"] == ("simulated server" if place else "local")
        rows.append(store.rows(path))
    pd.testing.assert_frame_equal(*rows, atol=1e-5)
    # Of two dummy queries the lower one is the median, so the answers are other ones.
    (central,) = store.paths(MAIN_RESULTS)
    own = store.rows(central).query("procedure == 'task_vector' and split == 'dev'")
    swept = rows[0].query("split == 'dev'")
    assert len(own) == len(swept)
    assert swept["margin"].tolist() != pytest.approx(own["margin"].tolist(), abs=1e-3)
