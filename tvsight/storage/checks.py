"""Checks that rows are complete, so that every accuracy is over all its episodes."""

from collections.abc import Mapping, Sequence
from math import inf, prod
from typing import TYPE_CHECKING, Any

from tvsight.prompts.episodes import SPLITS

if TYPE_CHECKING:
    import pandas as pd

UNSWEPT = {"dev": {"baseline"}, "test": {"baseline", "icl"}}
"""Procedures without a layer, by split."""
SWEPT = {"task_vector", "averaged_vector"}
"""Procedures that are measured after every block on dev, and after the chosen one on test."""
ROUNDING = 1e-3
"""By how much a log-probability may exceed 0, and a margin fall below it."""
BOUNDS = {
    **{name: (-inf, inf) for name in ("answer_gap", "answer_log_probability", "log_effect")},
    **{name: (0, inf) for name in ("icl_divergence", "deviation")},
    **{name: (0, 1 + ROUNDING) for name in ("probability", "score")},
    "log_probability": (-inf, ROUNDING),
    "margin": (-ROUNDING, inf),
    **{name: (1, inf) for name in ("rank", "spellings")},
    "f1": (0, 1),
    "effect": (-1, 1),
}
"""Least and greatest value of columns, which are finite."""


class DamagedResult(Exception):
    """A stored result that does not hold what its manifest says."""


def check_numbers(rows: "pd.DataFrame") -> None:
    """Check that numbers are finite and within their `BOUNDS`.

    Raises:
        DamagedResult: with the column.
    """
    import numpy as np

    for name in BOUNDS.keys() & set(rows):
        low, high = BOUNDS[name]
        if not (np.isfinite(rows[name]) & rows[name].between(low, high)).all():
            raise DamagedResult(f"{name} is not a finite number from {low:g} to {high:g}")


def check_scored(
    rows: "pd.DataFrame", episodes: int | None, conditions: Sequence[str], asks: Sequence[str]
) -> None:
    """Check that no episode of scored predictions is missing.

    Args:
        episodes: their number in a split; None where only the rows know it.
        conditions, asks: columns, see `Schema`.

    Raises:
        DamagedResult: with what is wrong.
    """
    import pandas as pd

    if not set(rows["split"].unique()) <= set(SPLITS):
        raise DamagedResult("the rows are not of the splits dev and test")
    # Texts and blocks as numbers, which are compared faster.
    names = (*conditions, *asks, "query", "expected")
    keys = pd.DataFrame({name: pd.factorize(rows[name])[0] for name in names})
    keys["episode"] = rows["episode"].to_numpy()
    for split, split_rows in keys.groupby(rows["split"].to_numpy()):
        count = episodes or int(split_rows["episode"].max()) + 1
        there = split_rows["episode"]
        if (there.nunique(), there.min(), there.max()) != (count, 0, count - 1):
            raise DamagedResult(f"the rows on {split} are not of episodes 0 to {count - 1}")
        asked = split_rows[["episode", *asks, "query", "expected"]].drop_duplicates()
        if asked.duplicated(["episode", *asks]).any():
            raise DamagedResult(f"an episode on {split} has several queries or expected answers")
        repeated = split_rows.duplicated([*conditions, "episode"]).any()
        measured = split_rows.groupby(list(conditions)).size()
        if repeated or (measured != count).any():
            raise DamagedResult(f"the rows on {split} lack an episode, or have one twice")
    if "f1" not in rows:
        return
    # A first token is no less probable than the whole answer that it begins.
    if (rows["answer_log_probability"] > rows["log_probability"] + ROUNDING).any():
        raise DamagedResult("a whole answer is more probable than its first token")
    if not (rows["f1"][rows["correct"]] == 1).all():
        raise DamagedResult("F1 is not 1 where an answer is right")


def check_central(rows: "pd.DataFrame", identity: Mapping[str, Any]) -> int:
    """Check that the central comparison has its procedures, each after the right blocks.

    Returns:
        The number of blocks that were swept.

    Raises:
        DamagedResult: with what is wrong.
    """
    return _check_sweep(rows, SWEPT, UNSWEPT)


def check_method(rows: "pd.DataFrame", identity: Mapping[str, Any]) -> int:
    """The same of one method, without other procedures."""
    return _check_sweep(rows, {identity.get("method")}, {"dev": set(), "test": set()})


def _check_sweep(rows: "pd.DataFrame", swept: set[Any], unswept: Mapping[str, set[str]]) -> int:
    for split in SPLITS:
        measured = rows.loc[rows["split"] == split, "procedure"]
        if set(measured.unique()) != unswept[split] | swept:
            raise DamagedResult(f"the rows on {split} lack a procedure, or have one too many")
    has_layer = rows["procedure"].isin(swept)
    for name in ("layer", "layer_identified"):
        if not (rows[name].notna() == has_layer).all():
            raise DamagedResult(f"{name} is not said of vectors, or of prompts without one")
    blocks = rows[has_layer].groupby(["split", "procedure"])["layer"].agg(set)
    depth = int(max(map(max, blocks["dev"]))) + 1
    for procedure in swept:
        tested = blocks["test", procedure]
        if blocks["dev", procedure] != {*range(depth)} or len(tested) != 1 or max(tested) >= depth:
            raise DamagedResult(f"{procedure}: blocks are missing on dev, or not one is on test")
    return depth


def check_effects(rows: "pd.DataFrame", identity: Mapping[str, Any]) -> int:
    """Check that every head has its effect on every prompt, once.

    Returns:
        The number of blocks.

    Raises:
        DamagedResult: with what is wrong.
    """
    episodes = list(rows["episode"].unique()) if "queries" in identity else _up_to(rows, "episode")
    blocks, heads = _up_to(rows, "layer"), _up_to(rows, "head")
    _check_product(rows, {"episode": episodes, "layer": blocks, "head": heads})
    return len(blocks)


def check_induction(rows: "pd.DataFrame", identity: Mapping[str, Any]) -> int:
    """Check that every head has its induction score by every definition, once.

    Returns:
        The number of blocks.

    Raises:
        DamagedResult: with what is wrong.
    """
    definitions = identity.get("definitions")
    if not isinstance(definitions, dict):
        raise DamagedResult("the manifest does not say how induction is scored")
    blocks, heads = _up_to(rows, "layer"), _up_to(rows, "head")
    _check_product(rows, {"definition": list(definitions), "layer": blocks, "head": heads})
    return len(blocks)


def check_projections(rows: "pd.DataFrame", identity: Mapping[str, Any]) -> None:
    """Check that after every block the task vector has its top tokens, and every vector has its
    answers and each word, once.

    Raises:
        DamagedResult: with what is wrong.
    """
    draws = identity.get("draws")
    words = identity.get("words")
    if not isinstance(draws, int) or not isinstance(words, list):
        raise DamagedResult("the manifest does not say which vectors and words were looked for")
    is_random, is_top = rows["vector"] == "random", rows["kind"] == "top"
    keys = rows[["layer", "rank"]].assign(
        vector=(rows["draw"] + 1).where(is_random, -rows["draw"]),
        word=rows["token"].where(rows["kind"] == "description", rows["kind"]),
    )
    blocks = _up_to(rows, "layer")
    ranks = range(1, int(is_top.sum()) // len(blocks) + 1)
    _check_product(keys[is_top], {"layer": blocks, "rank": ranks, "vector": range(1)})
    others = {"layer": blocks, "word": ["answers", *words], "vector": range(draws + 1)}
    _check_product(keys[~is_top], others)


def _up_to(rows: "pd.DataFrame", name: str) -> range:
    return range(int(rows[name].max()) + 1)


def _check_product(rows: "pd.DataFrame", values: Mapping[str, Sequence[Any]]) -> None:
    """Check that rows hold every combination of some columns' values once, and nothing else."""
    if (
        len(rows) != prod(map(len, values.values()))
        or rows.duplicated(list(values)).any()
        or not all(rows[name].isin(allowed).all() for name, allowed in values.items())
    ):
        raise DamagedResult(f"the rows lack one by {' and '.join(values)}, or have one twice")
