"""Goldens of figures: what their artists show, their data and texts, without widths or colours.

`TVSIGHT_UPDATE_GOLDENS=1 python -m pytest ...` writes them anew."""

import json
import os
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from tvsight.output.plots import Plot

FOLDER = Path(__file__).parents[1] / "data" / "goldens"
UPDATE = "TVSIGHT_UPDATE_GOLDENS"
TOLERANCE = 2e-3
"""Relative, of numbers: digits further back differ between processors."""


def assert_golden(name: str, figure: Figure | Plot) -> None:
    """Compare a figure with `tests/data/goldens/<name>.json`; of a plot its words too."""
    shown = json.loads(json.dumps(dump(figure)))
    path = FOLDER / f"{name}.json"
    if os.environ.get(UPDATE):
        FOLDER.mkdir(exist_ok=True)
        lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in shown)
        path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    golden = json.loads(path.read_text(encoding="utf-8"))
    both = zip_longest(golden, shown)
    apart = [f"  {old}\n  {new}" for old, new in both if not _alike(old, new)]
    assert apart == [], (
        f"{path.name} differs in {len(apart)} entries, the golden first:\n"
        + "\n".join(apart[:5])
        + f"\nIf this is meant, run again with {UPDATE}=1."
    )


def dump(figure: Figure | Plot) -> list[Any]:
    """The words of a plot, the texts of a figure, then its axes, each a line per artist."""
    words = []
    if isinstance(figure, Plot):
        words = [["title", figure.title], ["caption", figure.caption], ["note", figure.note]]
        figure = figure.figure
    legends = [["legend", *_names(legend)] for legend in figure.legends]
    texts = [["text", text.get_text()] for text in figure.texts]
    return [*words, *legends, *texts, *(entry for axes in figure.axes for entry in _panel(axes))]


def _panel(axes: Axes) -> Iterator[list[Any]]:
    titles = [axes.get_title(loc) for loc in ("left", "center", "right")]
    yield ["axes", *filter(None, titles)]
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        ticks = [tick.get_text() for tick in axis.get_ticklabels()]
        ends = axes.get_xlim() if name == "x" else axes.get_ylim()
        yield [name, axis.get_label_text(), axis.get_scale(), _numbers(ends), ticks]
    if legend := axes.get_legend():
        yield ["legend", *_names(legend)]
    for artist in axes.get_children():
        label = str(artist.get_label())
        known = [] if label.startswith("_") or not label else [label]
        if isinstance(artist, Line2D):
            yield ["line", *known, *map(_numbers, artist.get_data())]
        elif isinstance(artist, Text):
            if artist.get_text() not in ("", *titles):
                yield ["text", artist.get_text(), _numbers(artist.get_position())]
        elif isinstance(artist, AxesImage):
            yield ["image", *map(_numbers, np.ma.filled(artist.get_array(), np.nan))]
        elif isinstance(artist, Patch) and artist is not axes.patch:
            corners = artist.get_patch_transform().transform(artist.get_path().vertices)
            yield ["patch", *known, *map(_numbers, corners.T)]
        elif hasattr(artist, "get_paths"):
            paths = [vertices for path in artist.get_paths() for vertices in path.vertices]
            values = artist.get_array()
            shown = np.array(paths).T if values is None else [np.ravel(values)]
            yield ["collection", *known, *map(_numbers, shown)]


def _names(legend: Legend) -> list[str]:
    return [text.get_text() for text in legend.get_texts()]


def _numbers(values: Any) -> list[Any]:
    """Four digits of each; names where an axis has these."""

    def rounded(value: Any) -> Any:
        if isinstance(value, str):
            return value
        return float(f"{value:.4g}") if np.isfinite(value) else None

    return list(map(rounded, np.ravel(np.asarray(values, dtype=object)).tolist()))


def _alike(golden: Any, shown: Any) -> bool:
    if isinstance(golden, list) and isinstance(shown, list):
        return len(golden) == len(shown) and all(map(_alike, golden, shown))
    if isinstance(golden, float) and isinstance(shown, float):
        return bool(np.isclose(golden, shown, rtol=TOLERANCE, atol=1e-6))
    return bool(golden == shown)
