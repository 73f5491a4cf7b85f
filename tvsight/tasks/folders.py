"""Find the task files that a path names."""

from pathlib import Path

from tvsight.errors import UsageError

ENDINGS = (".csv", ".json")
"""Of the files that are read in a folder."""
NAMED = 5
"""Number of deeper folders that an error names."""


def task_files(path: str) -> list[str]:
    """The task files that a path names: itself, or those directly in a folder, by name.

    Raises:
        UsageError: for a folder without any, or one that cannot be read.
    """
    folder = Path(path)
    try:
        if not folder.is_dir():
            return [path]
        found = _task_files_in(folder)
        folders = [] if found else [one for one in _visible(folder) if one.is_dir()]
        deeper = [one.name for one in folders if _task_files_in(one)]
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise UsageError(f"{path!r}: not the name of a file or a folder.") from error
    if not found:
        hint = f" There are some in its folders: {', '.join(deeper[:NAMED])}." if deeper else ""
        raise UsageError(
            f"{path}: no task files in this folder; names that end in .json or .csv were "
            f"expected.{hint}"
        )
    return list(map(str, found))


def _task_files_in(folder: Path) -> list[Path]:
    files = [one for one in _visible(folder) if one.name.lower().endswith(ENDINGS)]
    return [file for file in files if not file.is_dir()]


def _visible(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if not one.name.startswith("."))
