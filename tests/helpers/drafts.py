"""Figures that are written quickly, for tests that ask which files there are and not how they look.

A figure is laid out as ever. Its PNG is one dot, and its PDF describes letters one by one, which
takes less time than cutting them out of a font. `tests/output` writes figures as they are.
"""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tvsight.output import plots
from tvsight.output.plots import Plot

WRITE = Plot.write


def draft(patch: pytest.MonkeyPatch) -> None:
    """Write every figure of this process quickly, until the patch is undone."""
    patch.setattr(plots, "_save_png", _save_dot)
    patch.setattr(Plot, "write", _write)


def _save_dot(figure: Figure, path: Path) -> None:
    Image.new("1", (1, 1)).save(path, format="png")


def _write(plot: Plot, folder: Path, name: str, **options: Any) -> list[Path]:
    with mpl.rc_context({"pdf.fonttype": 3}):
        return WRITE(plot, folder, name, **options)
