"""Read all stored rows of a results folder as one table, without torch."""

import json
import warnings
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvsight.errors import Remark, UsageError, nearest, unexpected
from tvsight.storage.inspection import Entry, check, superseded
from tvsight.storage.joining import SETTINGS, USUAL
from tvsight.storage.store import Store
from tvsight.texts import one_line

if TYPE_CHECKING:
    import pandas as pd

NULLABLE = {"int64": "Int64", "bool": "boolean"}
"""Types that have no empty cells, and those that have."""


def read(folder: str | PathLike[str] = "results", experiment: str | None = None) -> "pd.DataFrame":
    """All stored rows of a folder, or those of one experiment.

    Args:
        experiment: the name of a subfolder, such as `main_results`.

    Returns:
        The rows that docs/results.md describes, after a column `experiment`. Every field of the
        identity in which results that one could take for the same differ is a column too: an option
        such as `shots` or `seed` among the results of a model, `task_data` among those of a model
        and task, any other among those of an experiment too. Several values are one text, as JSON.
        Cells are empty where a result has no such value. The column `rank`
        is the place of the answer among all tokens; in rows of `token_projections` it is that of a
        token, a word or the answers in an unembedded vector.

    Raises:
        UsageError: when there is no such folder, or no result in it.

    Warns:
        Remark: about each result that is left out, because it is damaged or this tvsight does not
            use it any more.
    """
    import pandas as pd

    if not isinstance(folder, str | PathLike):
        raise unexpected("folder", "the path of a results folder", folder)
    store = Store(Path(folder))
    entries = _entries(store, experiment)
    fields = _differing(entries)
    parts = []
    for entry in entries:
        rows = store.rows(entry.path)
        rows.insert(0, "experiment", entry.path.parts[0])
        known = _fields(entry)
        further = [name for name in fields if name not in rows and name in known]
        rows = rows.assign(**{name: known[name] for name in further})
        # Of these types a column may have empty cells.
        kinds = {name: NULLABLE.get(str(kind)) for name, kind in rows.dtypes.items()}
        parts.append(rows.astype({name: kind for name, kind in kinds.items() if kind}))
    return pd.concat(parts, ignore_index=True)


def _entries(store: Store, experiment: str | None) -> list[Entry]:
    """The usable results."""
    known = dict.fromkeys(path.parts[0] for path in store.paths())
    if not known:
        raise UsageError(f"folder: no results in {one_line(str(store.root))!r}.")
    if experiment is not None and experiment not in known:
        raise UsageError(
            f"experiment: no results of {experiment!r} in {one_line(str(store.root))!r}."
            f"{nearest(str(experiment), known)} There are those of {', '.join(known)}."
        )
    usable = []
    for path in store.paths(experiment):
        checked = check(store, path)
        why = superseded(checked) if isinstance(checked, Entry) else checked.reason
        if why:
            warnings.warn(f"Left out: {path}: {one_line(why)}", Remark, stacklevel=3)
        elif isinstance(checked, Entry):
            usable.append(checked)
    if not usable:
        raise UsageError(f"folder: no usable results in {one_line(str(store.root))!r}.")
    return usable


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
