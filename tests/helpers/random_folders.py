"""Random results folders: results of ours, whole and damaged, between things of somebody else."""

import json
import os
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tests.helpers.damages import edited, truncate
from tests.helpers.example_store import CURRENT, MADE, ROWS, VECTORS, record
from tvsight.storage.store import DAMAGED, Result, Store
from tvsight.writing import MARKER

SAMPLES = tuple(Result(CURRENT.identity | {"seed": seed}) for seed in range(4))


@dataclass
class Contents:
    """What was put into a folder."""

    foreign: set[Path] = field(default_factory=set)
    """Files and links of somebody else."""
    intact: dict[Path, Path] = field(default_factory=dict)
    """Whole results, by folder, with the place where each belongs."""
    own: set[Path] = field(default_factory=set)
    """What should go: leftovers and damaged results with nothing of somebody else."""


def samples(root: Path) -> Store:
    """A store that holds `SAMPLES`."""
    store = Store(root)
    for number, result in enumerate(SAMPLES):
        store.save(result, ROWS, VECTORS if number % 2 else None, MADE)
    return store


def fill(store: Store, made: Store, drawn: random.Random) -> Contents:
    """Fill a results folder at random."""
    contents = Contents()
    names = [name for name in globals() if name.startswith("_put_")]
    for number in range(drawn.randint(3, 8)):
        put = globals()[drawn.choice(names)]
        result = drawn.choice(SAMPLES)
        put(store.root, made.root, result.path, contents, drawn, f"{number:08x}")
    return contents


def _copy(made: Path, result: Path, folder: Path) -> bool:
    if folder.exists() or folder.is_symlink():
        return False
    shutil.copytree(made / result, folder)
    return True


def _note(folder: Path, contents: Contents, name: str = "notes.txt") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / name).exists():
        (folder / name).write_text("of somebody else")
        os.utime(folder, (0, 0))
    contents.foreign.add(folder / name)


def _put_whole(
    root: Path, made: Path, result: Path, to: Contents, drawn: random.Random, mark: str
) -> None:
    if _copy(made, result, root / result):
        to.intact[root / result] = root / result


def _put_renamed(
    root: Path, made: Path, result: Path, to: Contents, drawn: random.Random, mark: str
) -> None:
    """A whole result in a folder of another model, task or experiment."""
    name = drawn.choice([result.name, f"copy-0123{mark}", f"mine-{mark}0123"])
    place = root / drawn.choice(["main_results/mine", "old/org--model-1b", "a/b"]) / name
    if _copy(made, result, place):
        to.intact[place] = place


def _put_damaged(
    root: Path, made: Path, result: Path, to: Contents, drawn: random.Random, mark: str
) -> None:
    place = root / result
    if not _copy(made, result, place):
        return
    if drawn.random() < 0.5:
        truncate(place / "rows.parquet")
    else:
        edited(lambda manifest: manifest.update(files={}))(place)
    if drawn.random() < 0.5:
        _note(place, to)
    else:
        to.own.add(place)


def _put_without_manifest(
    root: Path, made: Path, result: Path, to: Contents, drawn: random.Random, mark: str
) -> None:
    if _copy(made, result, root / result):
        (root / result / "manifest.json").write_text(drawn.choice(["", "{}", "[1]"]))
        to.foreign |= set((root / result).iterdir())


def _put_half(
    root: Path, made: Path, result: Path, to: Contents, drawn: random.Random, mark: str
) -> None:
    """What a killed process left of a result; marked, or as somebody else would make it."""
    place = (root / result).with_name(f".new-{result.name}-{mark}")
    place.mkdir(parents=True)
    (place / "rows.parquet").write_bytes(b"PAR1")
    if drawn.random() < 0.5:
        (place / MARKER).touch()
        to.own.add(place)
    else:
        to.foreign.add(place / "rows.parquet")


def _put_finished(
    root: Path, made: Path, result: Path, to: Contents, drawn: random.Random, mark: str
) -> None:
    """A whole result under an unfinished name, marked or not."""
    place = (root / result).with_name(f".new-{result.name}-{mark}")
    if _copy(made, result, place):
        if drawn.random() < 0.5:
            (place / MARKER).touch()
        to.intact[place] = root / result


def _put_foreign(
    root: Path, made: Path, result: Path, to: Contents, drawn: random.Random, mark: str
) -> None:
    folders = ["a/b", "main_results/org--model-1b", "", "tables", "figures", ".jobs", ".locks"]
    names = [f"mine-{mark}0123", f".new-{mark}", f".new-{mark}-table.csv", "notes", mark]
    folder = root / drawn.choice(folders) / drawn.choice(names)
    _note(folder, to, drawn.choice(["x", "rows.parquet"]))


def _put_foreign_file(
    root: Path, made: Path, result: Path, to: Contents, drawn: random.Random, mark: str
) -> None:
    names = [".jobs/{}.json", ".locks/{}.lock", ".locks/{}-0123456789ab.lock", ".new-{}", "{}.md"]
    names += [".damaged/{}", "tables/.new-{}-a.csv", "a/b/x{}-0123456789ab"]
    file = root / drawn.choice(names).format(mark)
    _note(file.parent, to, file.name)
    os.utime(file, (0, 0))


def _put_link(
    root: Path, made: Path, result: Path, to: Contents, drawn: random.Random, mark: str
) -> None:
    """A link to a damaged result elsewhere, to a folder, or to nothing."""
    elsewhere = root.parent / f"elsewhere-{mark}"
    _copy(made, result, elsewhere / result)
    truncate(elsewhere / result / "rows.parquet")
    to.foreign |= {file for file in (elsewhere / result).iterdir()}
    place, target = drawn.choice(
        [
            (root / result, elsewhere / result),
            (root / result.parts[0], elsewhere / result.parts[0]),
            (root / f".new-{mark}", elsewhere),
            (root / DAMAGED / f"{result.name}-{mark}", elsewhere / result),
            (root / "a" / f"b{mark}" / f"x-{mark}0123", root / "nothing"),
        ]
    )
    if not place.exists() and not place.is_symlink():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)
        to.foreign.add(place)


def _put_aside(
    root: Path, made: Path, result: Path, to: Contents, drawn: random.Random, mark: str
) -> None:
    place = root / DAMAGED / f"{result.name}-{mark}"
    _copy(made, result, place)
    kind = drawn.choice(["manifest", "marker", "neither", "more"])
    truncate(place / "rows.parquet")
    if kind in ("marker", "neither"):
        (place / "manifest.json").write_text("")
    if kind == "marker":
        (place / MARKER).touch()
    if kind == "more":
        _note(place, to)
    elif kind == "neither":
        to.foreign |= set(place.iterdir())
    else:
        to.own.add(place)


def _put_record(
    root: Path, made: Path, result: Path, to: Contents, drawn: random.Random, mark: str
) -> None:
    file = record(Store(root), f"{drawn.choice('ab')}-{mark}-0")
    if drawn.random() < 0.5:
        file.write_text(json.dumps({"version": 1, "written_by": "0.0.9"}))
        to.own.add(file)
