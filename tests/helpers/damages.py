"""Damages of the result of `example_store`, and the words that name each."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import torch
from pyarrow import parquet
from safetensors.torch import save_file

from tests.helpers.example_store import ROWS, VECTORS


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """A damage to the fields of a manifest."""

    def damage(folder: Path) -> None:
        file = folder / "manifest.json"
        manifest = json.loads(file.read_text())
        change(manifest)
        file.write_text(json.dumps(manifest))

    return damage


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def turn_into_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def turn_into_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


def resealed(spoil: Callable[[Path], object]) -> Callable[[Path], object]:
    """A damage after which the checksums in the manifest are made to hold."""

    def damage(folder: Path) -> None:
        spoil(folder)
        names = ("rows.parquet", "vectors.safetensors")
        sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
        sizes = {name: (folder / name).stat().st_size for name in names}
        edited(lambda manifest: manifest.update(files=sums, sizes=sizes))(folder)

    return damage


def rows_of(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], object]:
    """Other rows, sealed."""
    return resealed(lambda f: change(ROWS.copy()).to_parquet(f / "rows.parquet", index=False))


def vectors_of(**change: torch.Tensor) -> Callable[[Path], object]:
    """Other vectors, sealed."""
    return resealed(lambda f: save_file(VECTORS | change, f / "vectors.safetensors"))


def rows_with(metadata: dict[bytes, bytes]) -> Callable[[Path], object]:
    """The same rows in a file that says more of itself, sealed."""
    table = pyarrow.Table.from_pandas(ROWS, preserve_index=False)
    changed = table.replace_schema_metadata({**table.schema.metadata, **metadata})
    return resealed(lambda f: parquet.write_table(changed, f / "rows.parquet"))


def episode_twice(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([rows, rows.iloc[[0]]], ignore_index=True)


def set_cell(column: str, value: object, row: int = 0) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[row, column] = value
        return rows

    return change


HALF = torch.zeros(2, 6, 4).half()
CONTENTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no parquet": (resealed(lambda f: (f / "rows.parquet").write_text("x")), "read as parquet"),
    "cut parquet": (resealed(lambda f: truncate(f / "rows.parquet")), "read as parquet"),
    "no column": (rows_of(lambda r: r.drop(columns="margin")), "other columns"),
    "another column": (rows_of(lambda r: r.assign(more=1)), "other columns"),
    "another order": (rows_of(lambda r: r[r.columns[::-1]]), "other columns"),
    "texts for numbers": (rows_of(lambda r: r.astype({"margin": str})), "column margin holds"),
    "numbers for marks": (rows_of(lambda r: r.astype({"correct": int})), "column correct holds"),
    "an empty cell": (rows_of(set_cell("query", None)), "column query has empty cells"),
    "no rows at all": (rows_of(lambda r: r.iloc[:0]), "of another model"),
    "another model": (rows_of(lambda r: r.assign(model="m")), "of another model"),
    "another task": (rows_of(lambda r: r.assign(task="t")), "of another task"),
    "one split": (rows_of(lambda r: r[r["split"] == "dev"]), "test lack a procedure"),
    "a third split": (rows_of(set_cell("split", "train")), "splits dev and test"),
    "no number": (rows_of(set_cell("margin", float("nan"))), "margin"),
    "infinity": (rows_of(set_cell("log_probability", float("-inf"))), "a finite number"),
    "a probability above one": (rows_of(set_cell("log_probability", 0.1)), "ability is not"),
    "a negative margin": (rows_of(set_cell("margin", -1.0)), "margin is not"),
    "an episode twice": (rows_of(episode_twice), "have one twice"),
    "an episode less": (rows_of(lambda r: r.drop(index=4)), "lack an episode"),
    "episodes from one": (rows_of(lambda r: r.assign(episode=r["episode"] + 1)), "0 to"),
    "two queries": (rows_of(set_cell("query", "other")), "several queries"),
    "no ICL": (rows_of(lambda r: r[r["procedure"] != "icl"]), "lack a procedure"),
    "another procedure": (
        rows_of(lambda r: r.assign(procedure=r["procedure"].replace("icl", "iclr"))),
        "lack a procedure",
    ),
    "no layers": (rows_of(lambda r: r.assign(layer=None).astype(ROWS.dtypes)), "one twice"),
    "no layers on test": (
        rows_of(lambda r: r.assign(layer=r["layer"].where(r["split"] == "dev"))),
        "layer is not said",
    ),
    "not said": (
        rows_of(lambda r: r.assign(layer_identified=None).astype(ROWS.dtypes)),
        "layer_identified is not said",
    ),
    "a block less": (
        rows_of(lambda r: r[~(r["layer"].eq(2).fillna(False) & (r["split"] == "dev"))]),
        "blocks are missing",
    ),
    "no safetensors": (resealed(lambda f: (f / "vectors.safetensors").write_text("x")), "vectors"),
    "cut vectors": (resealed(lambda f: truncate(f / "vectors.safetensors")), "vectors"),
    "a block less in vectors": (
        vectors_of(dev=HALF[:, :5].contiguous()),
        r"dev is F16 \[2, 5, 4\]; F16 \[2, 6, 4\] was expected",
    ),
    "an episode less in vectors": (vectors_of(test=HALF), r"F16 \[3, 6, 4\] was expected"),
    "flat vectors": (vectors_of(dev=HALF.flatten()), r"dev is F16 \[48\]"),
    "empty vectors": (vectors_of(dev=HALF[..., :0].contiguous()), r"dev is F16 \[2, 6, 0\]"),
    "two widths": (vectors_of(dev=HALF[..., :2].contiguous()), r"\[3, 6, 2\] was expected"),
    "wide numbers": (vectors_of(dev=HALF.float()), "dev is F32"),
    "rows of another schema": (
        rows_with({b"tvsight_schema_version": b"7"}),
        "rows.parquet is of schema 7, not of 3 or earlier",
    ),
    "vectors of another schema": (
        resealed(
            lambda f: save_file(VECTORS, f / "vectors.safetensors", {"tvsight_schema_version": "7"})
        ),
        "vectors.safetensors is of schema 7, not of 3 or earlier",
    ),
    "a third tensor": (vectors_of(train=HALF), "does not hold dev, test alone"),
}
"""Damage that checksums do not show."""
DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "manifest.json"),
    "empty manifest": (lambda f: (f / "manifest.json").write_text(""), "manifest.json"),
    "cut manifest": (lambda f: truncate(f / "manifest.json"), "manifest.json"),
    "manifest of bytes": (lambda f: (f / "manifest.json").write_bytes(b"\xff\x00"), "manifest"),
    "manifest that is a list": (lambda f: (f / "manifest.json").write_text("[]"), "manifest.json"),
    "manifest that is a folder": (lambda f: turn_into_a_folder(f / "manifest.json"), "manifest"),
    "no identity": (edited(lambda m: m.pop("identity")), "manifest"),
    "no versions": (edited(lambda m: m.pop("versions")), "manifest"),
    "a list of files": (edited(lambda m: m.update(files=["rows.parquet"])), "manifest"),
    "no files": (edited(lambda m: m.update(files={})), "rows.parquet|manifest"),
    "another identity": (edited(lambda m: m["identity"].update(seed=7)), "another result"),
    "an identity without a task": (edited(lambda m: m["identity"].pop("task")), "identity"),
    "an identity that is a text": (edited(lambda m: m.update(identity="x")), "identity"),
    "no schema": (edited(lambda m: m.pop("schema_version")), "manifest"),
    "a schema that is a text": (edited(lambda m: m.update(schema_version="x")), "manifest"),
    "a nested manifest": (lambda f: (f / "manifest.json").write_text("[" * 10**5), "manifest"),
    **{
        f"written {number}": (edited(lambda m, of=of: m.update(written=of)), "manifest.json")
        for number, of in enumerate(
            [None, [], 10**30, float("nan"), "0001-01-01T00:00:00+23:00", "9999-12-31T23:59-23:00"]
        )
    },
    **{
        f"{name} that is none": (edited(lambda m, n=name: m["identity"].update({n: [1]})), "lacks")
        for name in (
            *("template", "shots", "seed", "dtype", "scoring", "episodes_per_split"),
            *("sources", "source_episodes"),
        )
    },
    "a list of episodes": (edited(lambda m: m.update(episodes_file=["antonyms"])), "lacks"),
    "half a character": (edited(lambda m: m["identity"].update(task="\ud800")), "manifest"),
    "a time that is none": (edited(lambda m: m.update(written="today")), "time"),
    "a file elsewhere": (edited(lambda m: m["files"].update({"../../../x": "0"})), "no place"),
    "a file besides": (lambda f: (f / "more.parquet").write_text(""), "more.parquet has no place"),
    "vectors that are not named": (edited(lambda m: m["files"].popitem()), "no place"),
    "an older schema of unknown version": (
        edited(lambda m: (m.update(schema_version=0), m.pop("versions"))),
        "schema 0.*of an unknown version",
    ),
    "an older schema": (edited(lambda m: m.update(schema_version=0)), r"schema 0.*tvsight 0\.1\.0"),
    "cut rows": (lambda f: truncate(f / "rows.parquet"), r"rows\.parquet"),
    "a flipped bit in rows": (lambda f: flip(f / "rows.parquet"), r"rows\.parquet"),
    "no rows": (lambda f: (f / "rows.parquet").unlink(), r"rows\.parquet"),
    "rows that are a folder": (lambda f: turn_into_a_folder(f / "rows.parquet"), r"rows\.parquet"),
    "a flipped bit in vectors": (lambda f: flip(f / "vectors.safetensors"), "vectors"),
    "no vectors": (lambda f: (f / "vectors.safetensors").unlink(), "vectors"),
    "a file in its place": (turn_into_a_file, "manifest.json"),
    **CONTENTS,
}
LATER: dict[str, tuple[Callable[[Path], object], str]] = {
    "a later schema": (
        edited(lambda m: m.update(schema_version=9, versions={"tvsight": "7.5"})),
        r"schema 9.*7\.5",
    ),
    "a later schema with a point": (
        edited(lambda m: m.update(schema_version=1.5, versions={"tvsight": "7.5"})),
        r"no readable.*7\.5",
    ),
    "a later schema whose version is a text": (
        edited(lambda m: m.update(schema_version="two", versions={"tvsight": "7.5"})),
        r"no readable.*7\.5",
    ),
    "a later schema of unknown version": (
        edited(lambda m: (m.update(schema_version=4), m.pop("versions"))),
        "of an unknown version",
    ),
    "a later tvsight's further file": (
        lambda f: (
            edited(lambda m: m.update(versions={"tvsight": "7.5"}))(f),
            (f / "states.parquet").write_text("x"),
        ),
        r"states\.parquet has no place.*7\.5",
    ),
    "a later tvsight's further columns": (
        lambda f: (
            edited(lambda m: m.update(versions={"tvsight": "7.5"}))(f),
            rows_of(lambda rows: rows.assign(more=1))(f),
        ),
        r"other columns.*7\.5",
    ),
    "a later tvsight's other fields": (
        edited(lambda m: (m.update(versions={"tvsight": "7.5"}), m.pop("identity"))),
        r"lacks identity.*7\.5",
    ),
}
"""Results that a later tvsight may have written in its place, and their names."""
