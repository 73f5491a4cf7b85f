"""The figures of a results folder with their captions, small enough to lie in a page."""

import base64
import html
import io
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tvsight.errors import StorageError
from tvsight.foreign import Unusable, check_file, read_text

MAX_FILE_BYTES = 500_000_000
WIDTH = 1000
"""Largest width of a picture in the page, in pixels."""
QUALITY = 70
"""Of its compression, out of 100."""
TITLE = re.compile(r"\*\*(.+?)\.?\*\*\s*", re.DOTALL)


def figures(results: Path, beside: str | None) -> list[dict[str, Any]]:
    """Every figure that was drawn: `name`, `title`, `caption`, `picture` (WebP in base 64),
    `width`, `height`, `links` to its files, and the name of the `table` of its numbers.

    Args:
        beside: the way from the page to the results folder; None where the page lies elsewhere, and
            links would lead nowhere.

    Raises:
        StorageError: when a picture cannot be read.
    """
    tables = {file.stem for file in (results / "tables").glob("*.csv")}
    files = sorted((results / "figures").glob("[!.]*.png"))
    with ThreadPoolExecutor() as pictures:  # most of the time passes outside of Python
        return list(pictures.map(lambda file: _figure(file, tables, beside), files))


def tables(results: Path, found: list[dict[str, Any]]) -> dict[str, str]:
    """The tables of some figures' numbers as CSV, by name."""
    names = sorted({one["table"] for one in found if one["table"]})
    return {name: _text(results / "tables" / f"{name}.csv") for name in names}


def _figure(file: Path, tables: set[str], beside: str | None) -> dict[str, Any]:
    title, caption = _caption(file.with_suffix(".caption.md"))
    kinds = [kind for kind in ("png", "pdf", "svg") if file.with_suffix(f".{kind}").exists()]
    links = {kind: f"{beside}/figures/{file.stem}.{kind}" for kind in kinds} if beside else {}
    shown = {"name": file.stem, "title": title or file.stem, "caption": caption, "links": links}
    return shown | _picture(file) | {"table": _table(file.stem, tables)}


def _picture(file: Path) -> dict[str, Any]:
    from PIL import Image

    try:
        check_file(file, MAX_FILE_BYTES)
        with Image.open(file) as image, io.BytesIO() as packed:
            high = round(image.height * WIDTH / max(WIDTH, image.width))
            small = image.convert("RGB").resize(
                (min(WIDTH, image.width), high), Image.Resampling.LANCZOS
            )
            small.save(packed, "WEBP", quality=QUALITY, method=2)
            picture = base64.b64encode(packed.getvalue()).decode()
    except Exception as error:  # damage makes it fail in ways that it does not document
        raise StorageError(f"{file} cannot be read as a picture; draw it again.") from error
    return {"picture": picture, "width": small.width, "height": small.height}


def _caption(file: Path) -> tuple[str, str]:
    """Title and caption as plain text; empty where there is no such file."""
    if not file.exists():
        return "", ""
    text = _text(file)
    found = TITLE.match(text)
    title, rest = (found[1], text[found.end() :]) if found else ("", text)
    return _plain(title), _plain(rest)


def _text(file: Path) -> str:
    try:
        return read_text(file, MAX_FILE_BYTES)
    except Unusable as error:
        raise StorageError(f"{file}: {error}; draw it again.") from error


def _plain(text: str) -> str:
    """Markdown as `texts.markdown` writes it, as the text that it was."""
    return html.unescape(re.sub(r"\\([\\`*~\[\]!$|_])", r"\1", text)).strip()


def _table(name: str, tables: set[str]) -> str:
    """The table of a figure's numbers: of its name, or of the longest beginning of it."""
    parts = name.split("_")
    starts = ["_".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((start for start in starts if start in tables), "")
