"""LaTeX, for tests of what is set with it."""

import shutil
import subprocess
from pathlib import Path

import pytest


def found(package: str) -> bool:
    """Whether LaTeX is installed, with a package."""
    if shutil.which("pdflatex") is None:
        return False
    return subprocess.run(["kpsewhich", package], capture_output=True).returncode == 0


NEEDS_LATEX = pytest.mark.skipif(
    not found("booktabs.sty"), reason="needs pdflatex: texlive-latex-recommended from Debian"
)
NEEDS_LUALATEX = pytest.mark.skipif(
    not (found("fontspec.sty") and found("luaotfload.sty")),
    reason="needs lualatex: texlive-latex-recommended and texlive-luatex from Debian",
)


def compiled(folder: Path, body: str, preamble: str = "", program: str = "pdflatex") -> list[str]:
    """Set an article in a folder, check that no letter is missing, and return what is too wide."""
    packages = r"\usepackage{array,booktabs,longtable,graphicx}"
    text = rf"\documentclass{{article}}{packages}{preamble}\begin{{document}}{body}\end{{document}}"
    (folder / "all.tex").write_text(text, encoding="utf-8")
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert ended.returncode == 0, ended.stdout[-2000:]
    log = (folder / "all.log").read_text(encoding="utf-8", errors="replace")
    assert [line for line in log.splitlines() if "Missing character" in line] == []
    return [line for line in log.splitlines() if line.startswith(r"Overfull \hbox")]
