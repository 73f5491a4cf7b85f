"""Rows, episodes and vectors of a result: read, written and validated."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvsight.prompts.episodes import SPLITS
from tvsight.storage.checks import DamagedResult, check_numbers, check_scored
from tvsight.storage.schemas import Schema, schema

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 3
"""Version 2 added scores to rows, and version 3 takes these over all tokens of an answer. Earlier
results stay valid; those of version 1 have no scores."""
OLDEST_SCHEMA = 1
FILE_VERSION = {"tvsight_schema_version": str(SCHEMA_VERSION)}
"""Metadata of the files of rows and of vectors. The first files of version 1 lack it; their
manifest, which names them by checksum, has it."""
NORMS = ("dev_norms", "test_norms")
HEAD_MEANS = "head_means"
"""The mean of every attention head, `[depth, heads, head_width]`, in single precision; alone in the
file of a result about heads."""
AT = "at_"
"""Prefix of the name of vectors after one block; the number of the block follows."""
ARROW_TYPES = {
    "str": ("string", "large_string"),
    "words": ("list<element: string>",),
    "Int64": ("int64",),
    "int64": ("int64",),
    "boolean": ("bool",),
    "bool": ("bool",),
    "float64": ("double",),
}
"""Types of a parquet file, by type of a schema. Versions of pandas write strings differently."""


def read_table(file: Path, expected: Schema, only: Collection[str] | None = None) -> "pd.DataFrame":
    """The rows or episodes in a parquet file. Columns of words hold lists.

    Args:
        only: columns to read, where the file has them; by default all.

    Raises:
        DamagedResult: when it cannot be read, or holds other columns or types than its schema, or
            empty cells where none may be.
    """
    import pyarrow.parquet as parquet

    try:
        wanted = None if only is None else [name for name in expected.widest if name in only]
        table = parquet.read_table(file, columns=wanted, partitioning=None)
        rows: pd.DataFrame = table.to_pandas()
    except Exception as error:  # pyarrow and pandas raise a dozen unrelated types
        raise DamagedResult(f"{file.name} cannot be read as parquet") from error
    _check_version(file, {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()})
    columns = expected.columns_with(table.column_names)
    if only is not None:
        columns = {name: kind for name, kind in columns.items() if name in only}
    if table.column_names != list(columns) or list(rows.columns) != table.column_names:
        raise DamagedResult(f"{file.name} has other columns than its schema")
    for name, kind in columns.items():
        stored_type, cells = str(table.schema.field(name).type), table.column(name).combine_chunks()
        if stored_type not in ARROW_TYPES[kind]:
            raise DamagedResult(f"{file.name}: column {name} holds {stored_type}, not {kind}")
        empty = cells.null_count + (cells.flatten().null_count if kind == "words" else 0)
        if empty and name not in expected.nullable:
            raise DamagedResult(f"{file.name}: column {name} has empty cells")
        if kind == "words":
            rows[name] = rows[name].map(list)
    kinds = {
        name: kind for name, kind in columns.items() if kind not in ("words", rows[name].dtype)
    }
    return rows.astype(kinds) if kinds else rows


def check_rows(rows: "pd.DataFrame", identity: Mapping[str, Any]) -> int | None:
    """Check that rows are of the result that an identity names, and complete.

    Returns:
        The number of blocks that were swept, where the rows say it.

    Raises:
        DamagedResult: with what is wrong.
    """
    for name in ("model", "task"):
        if set(rows[name].unique()) != {identity[name]}:
            raise DamagedResult(f"the rows are of another {name} than the manifest")
    of = schema(identity["experiment"])
    check_numbers(rows)
    if of.conditions:
        check_scored(rows, identity.get("episodes_per_split"), of.conditions, of.asks)
    return of.check(rows, identity) if of.check else None


def check_vectors(file: Path, rows: "pd.DataFrame", depth: int | None) -> None:
    """Check that a safetensors file has the form that `storage.task_vectors` describes, for the
    episodes and blocks of `rows`. Values are not read.

    Args:
        depth: the number of blocks that were swept, where that is known.

    Raises:
        DamagedResult: with what is wrong.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as vectors:
            metadata = vectors.metadata() or {}
            slices = {name: vectors.get_slice(name) for name in list(vectors.keys())}
            tensors = {name: (of.get_dtype(), list(of.get_shape())) for name, of in slices.items()}
    except (OSError, SafetensorError) as error:
        raise DamagedResult(f"{file.name} cannot be read as safetensors") from error
    _check_version(file, metadata)
    main = next((tensors[name][1] for name in (HEAD_MEANS, "dev", "mean") if name in tensors), [])
    width = main[-1] if main else 0
    if "head" in rows:
        expected = {HEAD_MEANS: ("F32", [depth, int(rows["head"].max()) + 1, width])}
    else:
        dev, test = (rows.loc[rows["split"] == split, "episode"].nunique() for split in SPLITS)
        depth = depth or (main[-2] if len(main) > 1 else 0)
        if "dev" in tensors:
            # The vector of a method may be that of the task, the same for every episode.
            if rows["procedure"].nunique() == 1 and main[:-2] == [1]:
                dev = test = 1
            expected = {"dev": ("F16", [dev, depth, width]), "test": ("F16", [test, depth, width])}
        else:
            after = next((name for name in tensors if re.fullmatch(rf"{AT}\d+", name)), AT)
            expected = {"mean": ("F16", [depth, width]), after: ("F16", [test, width])}
            expected |= {"dev_norms": ("F32", [dev, depth]), "test_norms": ("F32", [test, depth])}
    if tensors.keys() != expected.keys():
        raise DamagedResult(f"{file.name} does not hold {', '.join(expected)} alone")
    for name, (kind, shape) in expected.items():
        if tensors[name] != (kind, shape) or 0 in shape:
            raise DamagedResult(
                f"{file.name}: {name} is {tensors[name][0]} {tensors[name][1]}; {kind} {shape} was "
                "expected"
            )


def write_table(table: "pd.DataFrame", file: Path, schema: Schema | None = None) -> None:
    """Write rows or episodes to a parquet file.

    Args:
        schema: gives the types of columns whose cells do not show them, such as empty lists.

    Raises:
        OSError: when the file cannot be written.
    """
    import pyarrow
    import pyarrow.parquet as parquet

    kinds = {"str": pyarrow.string(), "words": pyarrow.list_(pyarrow.string())}
    fields = schema and [(name, kinds.get(kind, kind)) for name, kind in schema.columns.items()]
    content = pyarrow.Table.from_pandas(
        table, fields and pyarrow.schema(fields), preserve_index=False
    )
    numbers = [field.name for field in content.schema if str(field.type) == "double"]
    parquet.write_table(
        content.replace_schema_metadata(content.schema.metadata | FILE_VERSION),
        file,
        # Half the size of the default: most bytes of a number that was computed in single
        # precision are zero, and lie together here.
        compression="zstd",
        compression_level=9,
        use_dictionary=[name for name in content.column_names if name not in numbers],
        column_encoding=dict.fromkeys(numbers, "BYTE_STREAM_SPLIT"),
    )


def _check_version(file: Path, metadata: dict[str, str]) -> None:
    ((name, version),) = FILE_VERSION.items()
    found = metadata.get(name, str(OLDEST_SCHEMA))
    if found not in map(str, range(OLDEST_SCHEMA, SCHEMA_VERSION + 1)):
        raise DamagedResult(f"{file.name} is of schema {found}, not of {version} or earlier")
