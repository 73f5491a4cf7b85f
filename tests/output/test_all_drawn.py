"""Everything that the committed results give: figures that can be read, tables that LaTeX takes."""

import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from tests.helpers.commands import ROOT
from tests.helpers.hostile import WORDS
from tests.helpers.legible import assert_legible
from tests.helpers.recorded import Told
from tvsight.experiments import EXPERIMENTS
from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.output.drawn import Drawn
from tvsight.output.plots import Plot
from tvsight.run.runner import Runner
from tvsight.texts import latex

MODELS, SEEDS = ("gemma-3-270m", "smollm2-135m", "qwen2.5-coder-1.5b"), (0, 1, 2)
"""What the reference results hold."""
MOST_TITLE_LINES = 2
NEEDS_PDFLATEX = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="needs pdflatex: texlive-latex-base from Debian"
)
PREAMBLE = r"""\documentclass{article}
\usepackage{longtable}
\IfFileExists{booktabs.sty}{\usepackage{booktabs}}{%
  \let\toprule\hline \let\midrule\hline \let\bottomrule\hline}
\begin{document}
"""


class Kept(Drawn):
    """Writes tables and keeps figures."""

    def __init__(self, options: object, name: str) -> None:
        super().__init__(options, name)
        self.plots: dict[str, Plot] = {}

    def figure(self, plot: Plot, *parts: str) -> None:
        self.plots[self._named(parts)] = plot


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Plot]]:
    """The folder of all tables of a redraw, and all plots."""
    folder = tmp_path_factory.mktemp("drawn")
    plots: dict[str, Plot] = {}
    display = Told()
    for name in EXPERIMENTS:
        report = import_module(f"tvsight.experiments.{name}.report")
        options = import_module(f"tvsight.experiments.{name}").Options(
            redraw=True,
            results=str(ROOT / "results"),
            model=MODELS,
            seed=SEEDS if name == MAIN_RESULTS else SEEDS[:1],
        )
        kept = Kept(options, name)
        kept.results = folder
        runner = Runner(display)
        outcome = report.collect(runner, options).renamed(runner.labels).in_order()
        report.draw(outcome, options, display, kept)
        plots |= kept.plots
    return folder / "tables", plots


def test_every_figure_can_be_read(everything: tuple[Path, dict[str, Plot]]) -> None:
    _, plots = everything
    assert len(plots) >= 55
    for name, plot in plots.items():
        assert plot.caption.endswith("."), name
        assert not plot.title.endswith("."), name
        assert_legible(plot)
        title, note = (text.get_text() for text in plot.figure.texts[-2:])
        assert title.count("\n") < MOST_TITLE_LINES, title
        assert "\n" not in note, note


@NEEDS_PDFLATEX
def test_latex_sets_every_table(everything: tuple[Path, dict[str, Plot]], tmp_path: Path) -> None:
    folder, _ = everything
    tables = sorted(folder.glob("*.tex"))
    assert len(tables) >= 14
    compiled(tmp_path, "".join(rf"\input{{{table}}}\clearpage" + "\n" for table in tables))


@NEEDS_PDFLATEX
def test_latex_sets_any_word(tmp_path: Path) -> None:
    letters = "".join(chr(code) for code in range(0x20, 0x2AF))
    compiled(tmp_path, "\n\n".join(map(latex, (letters, *WORDS.values(), "θ ␣ … “a” ‘b’ − × → ±"))))


def compiled(folder: Path, body: str) -> None:
    (folder / "all.tex").write_text(f"{PREAMBLE}{body}\n\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert ended.returncode == 0, ended.stdout[-2000:]
    assert "Missing character" not in (folder / "all.log").read_text(errors="replace")
