"""Everything that the committed results give: the committed tables and figures and no others,
and figures that can be read."""

import contextlib
import io
import re
import traceback
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from matplotlib.backend_bases import FigureCanvasBase

import tvsight.cli.all
from benchmarks.memory import peak_gigabytes
from tests.helpers.commands import ROOT
from tests.helpers.legible import assert_legible
from tvsight.cli.analysis import analyse
from tvsight.config import RunConfig
from tvsight.experiments import EXPERIMENTS
from tvsight.experiments.layer_sweep import Options as SweepOptions
from tvsight.experiments.main_results import Options
from tvsight.output import drawn
from tvsight.output.drawn import Drawn
from tvsight.output.plots import Plot

pytestmark = pytest.mark.slow

MODELS, SEEDS = ("gemma-3-270m", "smollm2-135m", "qwen2.5-coder-1.5b"), (0, 1, 2)
"""Models and seeds of the reference results."""
SCORES = ("gap", "kl", "rank")
WHOLE_ANSWERS = (
    *("acronym_expansion", "book_author", "country_money", "film_director"),
    *("name_last_first", "phrase_plural", "verb_past_perfect"),
)
"""The tasks whose answers were generated whole."""
KINDS = ("png", "pdf", "caption.md")
"""The files of a figure."""
MOST_TITLE_LINES = 2
MOST_GIGABYTES = 2.5
"""Of memory for all of it, whatever the process has held before."""


class Read(Drawn):
    """Writes tables to another folder, and reads figures, each at once: a figure that is kept holds
    the memory of its picture, 15 MB."""

    folder: Path
    plots: dict[str, str]

    def __init__(self, options: RunConfig, name: str) -> None:
        super().__init__(options, name)
        self.results = self.folder

    def figure(self, plot: Plot, *parts: str) -> None:
        name = self._new("figures", parts)
        self.plots[name] = ""
        try:
            assert_readable(plot)
        except AssertionError:
            self.plots[name] = traceback.format_exc()
        plot.figure.clear()
        plot.figure.canvas = FigureCanvasBase(plot.figure)


class Everything(NamedTuple):
    """All that `analyses.all` draws of the committed results, scores, and whole answers."""

    tables: Path
    """The folder of all tables."""
    plots: dict[str, str]
    """Why a figure cannot be read, by the name of its file; empty where it can."""
    code: int
    """The exit code."""
    printed: str
    gigabytes: float
    """By which the peak of the memory of this process has grown."""


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Everything:
    Read.folder, Read.plots = tmp_path_factory.mktemp("drawn"), {}
    printed, before = io.StringIO(), peak_gigabytes()
    options = RunConfig(redraw=True, results=str(ROOT / "results"), model=MODELS, seed=SEEDS)
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(drawn, "Drawn", Read)
        code = tvsight.cli.all.main(options)
        first = {"redraw": True, "results": options.results, "model": MODELS[:1]}
        for score in SCORES:
            assert analyse("main_results", Options(**first, score=score)) == 0
            assert analyse("layer_sweep", SweepOptions(**first, score=score)) == 0
        of_words = Options(**first, tasks=",".join(WHOLE_ANSWERS), answer_tokens=8)
        assert analyse("main_results", of_words) == 0
    return Everything(
        Read.folder / "tables", Read.plots, code, printed.getvalue(), peak_gigabytes() - before
    )


def test_the_committed_tables_and_figures_are_those_of_a_redraw(everything: Everything) -> None:
    assert everything.code == 1  # not all was measured with every model
    # Every analysis whose measurements are committed is complete for the first model, in one seed
    # at least.
    lines = rf"^Missing: (\w+): {MODELS[0]}(?!.* seed\. )"
    missing = re.findall(lines, everything.printed, re.MULTILINE)
    assert set(missing) == {
        name
        for name in EXPERIMENTS
        if (ROOT / "tvsight" / "experiments" / name / "request.py").exists()
        and not (ROOT / "results" / name / MODELS[0]).exists()
    }
    figures = {f"{name}.{kind}" for name in everything.plots for kind in KINDS}
    assert {path.name for path in (ROOT / "results" / "figures").iterdir()} == figures
    committed = {path.name: path for path in (ROOT / "results" / "tables").iterdir()}
    tables = {path.name: path for path in everything.tables.iterdir()}
    assert tables.keys() == committed.keys()
    for name, table in tables.items():
        if name.endswith(".csv"):  # whose last digits another processor may change
            pd.testing.assert_frame_equal(pd.read_csv(table), pd.read_csv(committed[name]))
        else:
            assert table.read_text("utf-8") == committed[name].read_text("utf-8"), name


def test_every_figure_can_be_read(everything: Everything) -> None:
    assert {name: why for name, why in everything.plots.items() if why} == {}
    assert everything.gigabytes < MOST_GIGABYTES


def assert_readable(plot: Plot) -> None:
    assert plot.caption.endswith(".")
    assert not plot.title.endswith(".")
    assert_legible(plot)
    title, note = (text.get_text() for text in plot.figure.texts[-2:])
    assert title.count("\n") < MOST_TITLE_LINES, title
    assert "\n" not in note, note
