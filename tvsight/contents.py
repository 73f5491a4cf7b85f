"""What the files of a result promise beyond their checksums, and whether they keep it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvsight.experiments import MAIN_RESULTS
from tvsight.prompts.episodes import SPLITS

if TYPE_CHECKING:
    import pandas as pd

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
"""How each type of `COLUMN_TYPES` stands in a parquet file; pandas wrote strings in both ways."""
ROUNDING = 1e-3
"""By how much a log-probability may exceed 0, and a margin fall below it."""


class DamagedResult(Exception):
    """A stored result that does not hold what its manifest says."""


def read_rows(file: Path) -> "pd.DataFrame":
    """The rows in a parquet file, with the columns and types of `experiments.rows.COLUMN_TYPES`.

    Raises:
        DamagedResult: when it cannot be read, or holds other columns or types, or empty cells
            where none may be.
    """
    import pyarrow.parquet as parquet

    from tvsight.experiments.rows import COLUMN_TYPES, NULLABLE

    try:
        table = parquet.read_table(file, partitioning=None)
        rows: pd.DataFrame = table.to_pandas()
    except Exception as error:  # pyarrow and pandas raise a dozen unrelated types
        raise DamagedResult(f"{file.name} cannot be read as parquet") from error
    if table.column_names != list(COLUMN_TYPES) or list(rows.columns) != list(COLUMN_TYPES):
        raise DamagedResult(f"{file.name} has other columns than its schema")
    for name, kind in COLUMN_TYPES.items():
        found = str(table.schema.field(name).type)
        if found not in ARROW_TYPES[kind]:
            raise DamagedResult(f"{file.name}: column {name} holds {found}, not {kind}")
        if name not in NULLABLE and table.column(name).null_count:
            raise DamagedResult(f"{file.name}: column {name} has empty cells")
    return rows.astype(COLUMN_TYPES)


def check_rows(rows: "pd.DataFrame", identity: dict[str, Any]) -> int | None:
    """Whether rows are of the result that an identity names, and complete, so that every accuracy
    is over all its episodes.

    Returns:
        The number of blocks that were swept; None for an experiment that is not known here.

    Raises:
        DamagedResult: with what is wrong.
    """
    for name in ("model", "task"):
        if set(rows[name]) != {identity[name]}:
            raise DamagedResult(f"the rows are of another {name} than the manifest")
    _check_numbers(rows)
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
        episodes = identity.get("episodes_per_split") or int(of_split["episode"].max()) + 1
        _check_episodes(of_split, split, episodes)
        if set(of_split["procedure"]) != UNSWEPT[split] | SWEPT:
            raise DamagedResult(f"the rows on {split} lack a procedure, or have one too many")
    return _swept_blocks(rows[has_layer])


def check_vectors(file: Path, rows: "pd.DataFrame", depth: int | None) -> None:
    """Whether a safetensors file holds `dev` and `test`, in half precision, each
    `[episodes, depth, width]` for the episodes and blocks of `rows`. Values are not read.

    Args:
        depth: the number of blocks that were swept, where that is known.

    Raises:
        DamagedResult: with what is wrong.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as vectors:
            slices = {name: vectors.get_slice(name) for name in vectors.keys()}  # noqa: SIM118
            shapes = {name: list(of.get_shape()) for name, of in slices.items()}
            types = {of.get_dtype() for of in slices.values()}
    except (OSError, SafetensorError) as error:
        raise DamagedResult(f"{file.name} cannot be read as safetensors") from error
    if set(shapes) != set(SPLITS) or types != {"F16"}:
        raise DamagedResult(f"{file.name} does not hold dev and test in half precision")
    for split, shape in shapes.items():
        episodes = rows.loc[rows["split"] == split, "episode"].nunique()
        implied = [episodes, depth or shape[1]] if len(shape) == 3 else [episodes, depth]
        if len(shape) != 3 or shape[:2] != implied or 0 in shape:
            raise DamagedResult(
                f"{file.name}: {split} has the shape {shape}; the rows imply "
                f"[{implied[0]}, {implied[1]}, width]"
            )
    if shapes["dev"][2] != shapes["test"][2]:
        raise DamagedResult(f"{file.name}: dev and test differ in width")


def _check_numbers(rows: "pd.DataFrame") -> None:
    import numpy as np

    numbers = rows[["log_probability", "margin"]].to_numpy()
    if not np.isfinite(numbers).all():
        raise DamagedResult("a log-probability or a margin is not a finite number")
    if (numbers[:, 0] > ROUNDING).any() or (numbers[:, 1] < -ROUNDING).any():
        raise DamagedResult("a log-probability is above 0, or a margin below")


def _check_episodes(of_split: "pd.DataFrame", split: str, episodes: int) -> None:
    """Each procedure, after each block, has every episode once, and asks of it the same."""
    asked = of_split.groupby("episode")[["query", "expected"]].nunique()
    if list(asked.index) != list(range(episodes)):
        raise DamagedResult(f"the rows on {split} are not of episodes 0 to {episodes - 1}")
    if (asked != 1).any(axis=None):
        raise DamagedResult(f"an episode on {split} has several queries or expected answers")
    measured = of_split.groupby(["procedure", "layer"], dropna=False)["episode"]
    if (measured.nunique() != episodes).any() or (measured.size() != episodes).any():
        raise DamagedResult(f"the rows on {split} lack an episode, or have one twice")


def _swept_blocks(patched: "pd.DataFrame") -> int:
    dev, test = (patched[patched["split"] == split] for split in SPLITS)
    depth = int(dev["layer"].max()) + 1
    for procedure in SWEPT:
        swept = set(dev.loc[dev["procedure"] == procedure, "layer"])
        chosen = set(test.loc[test["procedure"] == procedure, "layer"])
        if swept != set(range(depth)) or len(chosen) != 1 or not chosen <= swept:
            raise DamagedResult(f"{procedure}: blocks are missing on dev, or not one is on test")
    return depth
