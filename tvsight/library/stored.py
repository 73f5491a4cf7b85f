"""Read all stored rows of a results folder as one table, without torch."""

import json
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tvsight.errors import Remark, UsageError, nearest, unexpected
from tvsight.storage.inspection import Entry, check, superseded
from tvsight.storage.joining import SETTINGS, USUAL
from tvsight.storage.manifests import ROWS
from tvsight.storage.schemas import schema
from tvsight.storage.store import Store
from tvsight.texts import one_line
from tvsight.writing import folder_name

if TYPE_CHECKING:
    import pandas as pd

NULLABLE: dict[str, Literal["Int64", "boolean"]] = {"int64": "Int64", "bool": "boolean"}
"""Types that have no empty cells, and those that have."""
FOLDERS: dict[str, Callable[[Path], str]] = {
    "experiment": lambda path: path.parts[0],
    "model": lambda path: path.parts[1],
    "task": lambda path: path.name.rpartition("-")[0],
}
"""The fields of an identity that the folder of a result names."""
MANY = 1_000_000
"""Rows whose number is said before they are read."""
Names = str | Sequence[str] | None


def read(
    folder: str | PathLike[str] = "results",
    experiment: Names = None,
    model: Names = None,
    task: Names = None,
    columns: Sequence[str] | None = None,
) -> "pd.DataFrame":
    """The stored rows of a folder, all or some. Only the files of the latter are opened.

    Results are verified whole, as `python -m analyses.results verify` does. With `columns=`, only
    the manifest, names and sizes of files, the SHA-256 of rows and the types of the columns are.

    Args:
        experiment: the name of a subfolder, such as `main_results`, or several.
        model: the name of a model as the rows have it, or several.
        task: the name of a task, or several.
        columns: columns to return, or fields of the identity of results, such as `seed`.

    Returns:
        The rows that docs/results.md describes, after a column `experiment`. Every field of the
        identity in which results that one could take for the same differ is a column too: an option
        such as `shots` or `seed` among the results of a model, `task_data` among those of a model
        and task, any other among those of an experiment too. Several values are one text, as JSON.
        Cells are empty where a result has no such value. The column `rank`
        is the place of the answer among all tokens; in rows of `token_projections` it is that of a
        token, a word or the answers in an unembedded vector.

    Raises:
        UsageError: when there is no such folder, no such result in it, or no such column.

    Warns:
        Remark: about each result that is left out, because it is damaged or this tvsight does not
            use it any more; and about the number of rows before very many are read.
    """
    import pandas as pd

    if not isinstance(folder, str | PathLike):
        raise unexpected("folder", "the path of a results folder", folder)
    store = Store(Path(folder))
    wanted = [("experiment", experiment), ("model", model), ("task", task)]
    entries, read = _stored(store, wanted, columns)
    fields = _differing(entries) if columns is None else _checked_columns(columns, entries)
    parts = []
    for entry in entries:
        rows = read.pop(entry.path)
        rows.insert(0, "experiment", entry.path.parts[0])
        known = _fields(entry)
        further = [name for name in fields if name not in rows and name in known]
        rows = rows.assign(**{name: known[name] for name in further})
        # Of these types a column may have empty cells.
        for name, kind in rows.dtypes.items():
            if str(kind) in NULLABLE:
                rows[name] = rows[name].astype(NULLABLE[str(kind)])
        parts.append(rows)
    table = pd.concat(parts, ignore_index=True)
    return table if columns is None else table.reindex(columns=list(columns))


def _stored(
    store: Store, wanted: Sequence[tuple[str, Names]], columns: Sequence[str] | None
) -> "tuple[list[Entry], dict[Path, pd.DataFrame]]":
    """The usable results with one of the wanted names of each kind, and the rows by folder."""
    root = one_line(str(store.root))
    paths = list(store.paths())
    if not paths:
        raise UsageError(f"folder: no results in {root!r}.")
    for kind, names in wanted:
        paths = _named(paths, kind, names, root)
    if all(names is None for _, names in wanted):
        _tell_size(store, paths)
    usable: list[Entry] = []
    rows: dict[Path, pd.DataFrame] = {}

    def read(path: Path) -> dict[str, Any]:
        manifest, rows[path] = store.read(path, columns)
        return manifest

    for path in paths:
        checked = check(store, path, read)
        why = superseded(checked) if isinstance(checked, Entry) else checked.reason
        if why:
            warnings.warn(f"Left out: {path}: {one_line(why)}", Remark, stacklevel=3)
        elif isinstance(checked, Entry):
            usable.append(checked)
    if not usable:
        raise UsageError(f"folder: no usable results in {root!r}.")
    return usable, rows


def _named(paths: list[Path], kind: str, names: Names, root: str) -> list[Path]:
    """The results with one of some names of a kind; None means all."""
    if names is None:
        return paths
    wanted = [names] if isinstance(names, str) else list(names)
    there = dict.fromkeys(FOLDERS[kind](path) for path in paths)
    for name in wanted:
        if folder_name(str(name)) not in there:
            raise UsageError(
                f"{kind}: no results of {name!r} in {root!r}.{nearest(str(name), there)} There are "
                f"those of {', '.join(there)}."
            )
    folders = {folder_name(name) for name in wanted}
    return [path for path in paths if FOLDERS[kind](path) in folders]


def _tell_size(store: Store, paths: Sequence[Path]) -> None:
    """Say how many rows there are, where they are very many."""
    from pyarrow.parquet import read_metadata

    count = 0
    for path in paths:
        with suppress(OSError, ValueError):  # `check` says what is wrong with it
            count += read_metadata(store.root / path / ROWS).num_rows
    if count >= MANY:
        told = f"Reading {count:,} rows of {len(paths):,} results. experiment=, model=, task= and "
        warnings.warn(f"{told}columns= read a part.", Remark, stacklevel=4)


def _checked_columns(columns: Sequence[str], entries: Sequence[Entry]) -> list[str]:
    """Columns that rows or identities of some results have."""
    known = {"experiment", *(name for entry in entries for name in _fields(entry))}
    for experiment in {entry.path.parts[0] for entry in entries}:
        known |= {*schema(experiment).widest}
    for name in columns:
        if name not in known:
            raise UsageError(f"columns: no column {name!r}.{nearest(str(name), known)}")
    return list(columns)


def _differing(entries: Sequence[Entry]) -> list[str]:
    """The fields in which results differ that one could take for the same."""
    values: dict[tuple[str, ...], set[object]] = {}
    for entry in entries:
        model, task, kind = (str(entry.identity[name]) for name in ("model", "task", "experiment"))
        for name, value in _fields(entry).items():
            of_task = (task,) if name in ("task_data", "episodes") else (task, kind)
            own = () if name in SETTINGS else of_task
            values.setdefault((name, model, *own), set()).add(value)
    return list(dict.fromkeys(name for (name, *_), several in values.items() if len(several) > 1))


def _fields(entry: Entry) -> dict[str, Any]:
    """The identity of a result, with usual values where it lacks them."""
    return {
        name: json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value
        for name, value in (USUAL | entry.identity).items()
    }
