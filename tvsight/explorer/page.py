"""Write the page: one file with its data, scripts and styles in it, that asks for nothing else."""

import base64
import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from tvsight.errors import UsageError
from tvsight.explorer import EXPERIMENTS, gallery
from tvsight.explorer.detail import task_detail
from tvsight.explorer.overview import draws, overview, plain
from tvsight.explorer.runs import Folder, read_folder
from tvsight.progress import Moved, bar, nobody
from tvsight.storage.choice import Choice
from tvsight.storage.inspection import Finding, entries
from tvsight.storage.store import Store
from tvsight.writing import VERSION, has, reason, whole_file

SCRIPTS = (
    *("dom.js", "data.js", "charts.js", "overview.js", "task.js", "further.js", "episode.js"),
    *("statistics.js", "compare.js", "figures.js", "app.js"),
)
"""The parts of the page's script, in the order in which they use each other."""
MARK = b"<title>Task vectors: results to explore</title>"
"""By which a page is known, which may be replaced."""
UNSAFE = str.maketrans({mark: f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"})
"""Characters that could end the element that JSON stands in, or a line of a script."""


def write_page(store: Store, choice: Choice, output: Path) -> list[Finding]:
    """Write the page of the chosen results, and return those that were left out.

    Raises:
        UsageError: when there are no results to show, or the file cannot be written.
    """
    found = entries(store)
    # Each result is read, compared with others, and described.
    total = 3 * sum(one.identity["experiment"] in EXPERIMENTS for one in choice.of(found[0]))
    with bar(total, "making the page") as seen:
        with pd.option_context("mode.string_storage", "python"):  # faster for single texts
            folder = read_folder(store, choice, found, seen)
        if not folder.runs:
            raise UsageError(
                f"{store.root} holds no central comparison that was chosen: measure one with "
                f"`python -m analyses.main_results --results {store.root}`."
            )
        text = page(folder, store, _beside(store.root, output), seen)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(output, has(MARK, within=20_000)) as new:
            new.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--output {output} cannot be written: {reason(error)}.") from error
    return folder.problems


def page(folder: Folder, store: Store, beside: str | None, seen: Moved = nobody) -> str:
    """The text of the page.

    Args:
        beside: the way from the page to the results folder, for links to files of figures; None
            where they would lead nowhere.
        seen: called with what is done, and the number of results that it is about.
    """
    with ThreadPoolExecutor(1) as other:  # pictures are made while numbers are computed
        drawn = other.submit(gallery.figures, store.root, beside)
        shown = overview(folder, seen)
        figures = drawn.result()
    pictures = {f"picture-{n}": figure.pop("picture") for n, figure in enumerate(figures)}
    tables = gallery.tables(store.root, figures)
    data = plain(shown) | {
        "figures": plain(figures),
        "tables": {name: f"table-{n}" for n, name in enumerate(tables)},
        "version": VERSION,
    }
    packed = {f"table-{n}": _packed(text) for n, text in enumerate(tables.values())}
    packed |= {f"draws-{n}": _packed(text) for n, text in draws(data["runs"]).items()}
    code = "(() => {\n'use strict';\n" + "".join(map(_static, SCRIPTS)) + "})();\n"
    scripts = [_script(code), _script(_library())]
    style = Markup(_static("style.css"))
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; "
        f"script-src {' '.join(map(_hash, scripts))}; base-uri 'none'; form-action 'none'"
    )
    template = Environment(autoescape=True).from_string(_static("page.html"))
    return template.render(
        policy=policy,
        style=style,
        data=_json(data),
        blocks=[*packed.items(), *_details(folder, store, seen), *pictures.items()],
        code=scripts[0],
        library=scripts[1],
        version=VERSION,
    )


def _details(folder: Folder, store: Store, seen: Moved) -> Iterator[tuple[str, str]]:
    for number, run in enumerate(folder.runs):
        for place, task in enumerate(run.tasks):
            detail = json.dumps(task_detail(run, task, store), separators=(",", ":"))
            seen(task, by=run.size / len(run.tasks))
            yield f"detail-{number}-{place}", _packed(detail)


def _packed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _json(value: Any) -> Markup:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return Markup(text.translate(UNSAFE))


def _script(text: str) -> Markup:
    """A script as it can stand in a page: nothing in its texts ends the element."""
    return Markup(text.replace("</script", r"<\/script").replace("<!--", r"<\!--"))


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _static(name: str) -> str:
    return files("tvsight.explorer").joinpath("static", name).read_text(encoding="utf-8")


def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, which puts `vegaEmbed` into the window."""
    return str(import_module("vl_convert").javascript_bundle())


def _beside(results: Path, output: Path) -> str | None:
    """The way from the page to the results folder, where the page lies inside of it."""
    page, root = output.resolve(), results.resolve()
    if not page.is_relative_to(root):
        return None
    return Path(os.path.relpath(root, page.parent)).as_posix()
