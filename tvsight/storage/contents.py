"""Read, write and validate the rows and vectors of a result."""

import re
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.experiments.token_projections import NAME as TOKEN_PROJECTIONS
from tvsight.prompts.episodes import SPLITS
from tvsight.storage.schemas import schema
from tvsight.storage.task_vectors import AT, NORMS, PART, WHOLE

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
FILE_VERSION = {"tvsight_schema_version": str(SCHEMA_VERSION)}
"""Stands in the metadata of rows and of vectors. The first files of version 1 lack it; their
manifest, which names them by checksum, has it."""
UNSWEPT = {"dev": {"baseline"}, "test": {"baseline", "icl"}}
"""Procedures without a layer, by split."""
SWEPT = {"task_vector", "averaged_vector"}
"""Procedures that are measured after every block on dev, and after the chosen one on test."""
ARROW_TYPES = {
    "str": ("string", "large_string"),
    "Int64": ("int64",),
    "int64": ("int64",),
    "boolean": ("bool",),
    "bool": ("bool",),
    "float64": ("double",),
}
"""How each type of a schema stands in a parquet file; pandas wrote strings in both ways."""
ROUNDING = 1e-3
"""By how much a log-probability may exceed 0, and a margin fall below it."""


class DamagedResult(Exception):
    """A stored result that does not hold what its manifest says."""


def read_rows(file: Path, experiment: str) -> "pd.DataFrame":
    """The rows in a parquet file, with the columns and types of an experiment's schema.

    Raises:
        DamagedResult: when it cannot be read, or holds other columns or types, or empty cells
            where none may be.
    """
    import pyarrow.parquet as parquet

    expected = schema(experiment)
    try:
        table = parquet.read_table(file, partitioning=None)
        rows: pd.DataFrame = table.to_pandas()
    except Exception as error:  # pyarrow and pandas raise a dozen unrelated types
        raise DamagedResult(f"{file.name} cannot be read as parquet") from error
    _check_version(file, {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()})
    if table.column_names != list(expected.columns) or list(rows.columns) != table.column_names:
        raise DamagedResult(f"{file.name} has other columns than its schema")
    for name, kind in expected.columns.items():
        found = str(table.schema.field(name).type)
        if found not in ARROW_TYPES[kind]:
            raise DamagedResult(f"{file.name}: column {name} holds {found}, not {kind}")
        if name not in expected.nullable and table.column(name).null_count:
            raise DamagedResult(f"{file.name}: column {name} has empty cells")
    return rows.astype(expected.columns)


def check_rows(rows: "pd.DataFrame", identity: dict[str, Any]) -> int | None:
    """Whether rows are of the result that an identity names, and complete, so that every accuracy
    is over all its episodes.

    Returns:
        The number of blocks that were swept in the central comparison; None for others.

    Raises:
        DamagedResult: with what is wrong.
    """
    for name in ("model", "task"):
        if set(rows[name]) != {identity[name]}:
            raise DamagedResult(f"the rows are of another {name} than the manifest")
    if identity["experiment"] == TOKEN_PROJECTIONS:
        _check_projections(rows, identity)
    conditions = list(schema(identity["experiment"]).conditions)
    if not conditions:
        return None
    _check_numbers(rows)
    if not set(rows["split"]) <= set(SPLITS):
        raise DamagedResult("the rows are not of the splits dev and test")
    for split, of_split in rows.groupby("split"):
        episodes = identity.get("episodes_per_split") or int(of_split["episode"].max()) + 1
        _check_episodes(of_split, str(split), episodes, conditions)
    if identity["experiment"] != MAIN_RESULTS:
        return None
    if set(rows["split"]) != set(SPLITS):
        raise DamagedResult("the rows are not of the splits dev and test")
    has_layer = rows["procedure"].isin(SWEPT)
    if not (rows["layer"].notna() == has_layer).all():
        raise DamagedResult("a vector has no layer, or a prompt without a vector has one")
    if not (rows["layer_identified"].notna() == has_layer).all():
        raise DamagedResult("it is not said whether a layer was identified")
    for split in SPLITS:
        of_split = rows[rows["split"] == split]
        if set(of_split["procedure"]) != UNSWEPT[split] | SWEPT:
            raise DamagedResult(f"the rows on {split} lack a procedure, or have one too many")
    return _swept_blocks(rows[has_layer])


def check_vectors(file: Path, rows: "pd.DataFrame", depth: int | None) -> None:
    """Whether a safetensors file holds what `tvsight.vectors` says, for the episodes and blocks of
    `rows`. Values are not read.

    Args:
        depth: the number of blocks that were swept, where that is known.

    Raises:
        DamagedResult: with what is wrong.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as vectors:
            metadata = vectors.metadata() or {}
            slices = {name: vectors.get_slice(name) for name in vectors.keys()}  # noqa: SIM118
            shapes = {name: list(of.get_shape()) for name, of in slices.items()}
            types = {name: of.get_dtype() for name, of in slices.items()}
    except (OSError, SafetensorError) as error:
        raise DamagedResult(f"{file.name} cannot be read as safetensors") from error
    _check_version(file, metadata)
    blocks = {name for name in shapes if re.fullmatch(rf"{AT}\d+", name)}
    if set(shapes) != WHOLE and (len(blocks) != 1 or set(shapes) != PART | blocks):
        raise DamagedResult(f"{file.name} does not hold dev and test, or a part of them")
    if any(of != ("F32" if name in NORMS else "F16") for name, of in types.items()):
        raise DamagedResult(f"{file.name} does not hold vectors in half precision")
    dev, test = (rows.loc[rows["split"] == split, "episode"].nunique() for split in SPLITS)
    main = next(shape for name, shape in shapes.items() if name in ("dev", "mean"))
    depth = depth or (main[-2] if len(main) > 1 else 0)
    width = main[-1] if main else 0
    implied = {
        "dev": [dev, depth, width],
        "test": [test, depth, width],
        "mean": [depth, width],
        "dev_norms": [dev, depth],
        "test_norms": [test, depth],
        **{name: [test, width] for name in blocks},
    }
    for name, shape in shapes.items():
        if shape != implied[name] or 0 in shape:
            raise DamagedResult(
                f"{file.name}: {name} has the shape {shape}; {implied[name]} was expected"
            )


def write_rows(rows: "pd.DataFrame", file: Path) -> None:
    """Write rows as `read_rows` reads them.

    Raises:
        OSError: when the file cannot be written.
    """
    import pyarrow
    import pyarrow.parquet as parquet

    table = pyarrow.Table.from_pandas(rows, preserve_index=False)
    numbers = [
        name for name in table.column_names if str(table.schema.field(name).type) == "double"
    ]
    parquet.write_table(
        table.replace_schema_metadata(table.schema.metadata | FILE_VERSION),
        file,
        # Half the size of the default: most bytes of a number that was computed in single
        # precision are zero, and lie together here.
        compression="zstd",
        compression_level=9,
        use_dictionary=[name for name in table.column_names if name not in numbers],
        column_encoding=dict.fromkeys(numbers, "BYTE_STREAM_SPLIT"),
    )


def _check_version(file: Path, metadata: dict[str, str]) -> None:
    for name, version in FILE_VERSION.items():
        found = metadata.get(name, version)
        if found != version:
            raise DamagedResult(f"{file.name} is of schema {found}, the manifest of {version}")


def _check_numbers(rows: "pd.DataFrame") -> None:
    import numpy as np

    numbers = rows[["log_probability", "margin"]].to_numpy()
    if not np.isfinite(numbers).all():
        raise DamagedResult("a log-probability or a margin is not a finite number")
    if (numbers[:, 0] > ROUNDING).any() or (numbers[:, 1] < -ROUNDING).any():
        raise DamagedResult("a log-probability is above 0, or a margin below")


def _check_episodes(
    of_split: "pd.DataFrame", split: str, episodes: int, conditions: list[str]
) -> None:
    """Under each condition every episode is there once, and is asked the same."""
    if sorted(of_split["episode"].unique()) != list(range(episodes)):
        raise DamagedResult(f"the rows on {split} are not of episodes 0 to {episodes - 1}")
    scored = ["episode", *(name for name in ("scored_as",) if name in of_split)]
    if (of_split.groupby(scored)[["query", "expected"]].nunique() != 1).any(axis=None):
        raise DamagedResult(f"an episode on {split} has several queries or expected answers")
    measured = of_split.groupby(conditions, dropna=False)["episode"]
    if (measured.nunique() != episodes).any() or (measured.size() != episodes).any():
        raise DamagedResult(f"the rows on {split} lack an episode, or have one twice")


def _check_projections(rows: "pd.DataFrame", identity: dict[str, Any]) -> None:
    """After every block the task vector has its top tokens, and every vector has its answers and
    each word, once."""
    if not rows["rank"].ge(1).all() or not rows["probability"].between(0, 1 + ROUNDING).all():
        raise DamagedResult("a rank is below 1, or a probability is not between 0 and 1")
    draws, words = identity.get("draws"), identity.get("words")
    if not isinstance(draws, int) or not isinstance(words, list):
        raise DamagedResult("the manifest does not say which vectors and words were looked for")
    is_random, is_top = rows["vector"] == "random", rows["kind"] == "top"
    keys = rows[["layer", "rank"]].assign(
        vector=(rows["draw"] + 1).where(is_random, -rows["draw"]),
        asked=rows["token"].where(rows["kind"] == "description", rows["kind"]),
    )
    blocks = range(int(rows["layer"].max()) + 1)
    ranks = range(1, int(is_top.sum()) // len(blocks) + 1)
    top = {"layer": blocks, "rank": ranks, "vector": range(1)}
    others = {"layer": blocks, "asked": ["answers", *words], "vector": range(draws + 1)}
    if not (_is_product(keys[is_top], top) and _is_product(keys[~is_top], others)):
        raise DamagedResult("tokens, answers or words after a block are missing, or are twice")


def _is_product(rows: "pd.DataFrame", values: Mapping[str, Sequence[Any]]) -> bool:
    """Whether rows hold every combination of some columns' values once, and nothing else."""
    return (
        len(rows) == prod(map(len, values.values()))
        and not rows.duplicated(list(values)).any()
        and all(rows[name].isin(of_name).all() for name, of_name in values.items())
    )


def _swept_blocks(patched: "pd.DataFrame") -> int:
    dev, test = (patched[patched["split"] == split] for split in SPLITS)
    depth = int(dev["layer"].max()) + 1
    for procedure in SWEPT:
        swept = set(dev.loc[dev["procedure"] == procedure, "layer"])
        chosen = set(test.loc[test["procedure"] == procedure, "layer"])
        if swept != set(range(depth)) or len(chosen) != 1 or not chosen <= swept:
            raise DamagedResult(f"{procedure}: blocks are missing on dev, or not one is on test")
    return depth
