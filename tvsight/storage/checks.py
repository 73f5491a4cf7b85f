"""Check that rows are complete, so that every accuracy is over all its episodes."""

from collections.abc import Mapping, Sequence
from math import prod
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


class DamagedResult(Exception):
    """A stored result that does not hold what its manifest says."""


def check_scored(
    rows: "pd.DataFrame", episodes: int | None, conditions: Sequence[str], asks: Sequence[str]
) -> None:
    """Check that scored predictions are numbers, and that no episode is missing.

    Args:
        episodes: their number in a split; None where only the rows know it.
        conditions, asks: columns, see `Schema`.

    Raises:
        DamagedResult: with what is wrong.
    """
    import numpy as np
    import pandas as pd

    numbers = rows[["log_probability", "margin"]].to_numpy()
    if not np.isfinite(numbers).all():
        raise DamagedResult("a log-probability or a margin is not a finite number")
    if (numbers[:, 0] > ROUNDING).any() or (numbers[:, 1] < -ROUNDING).any():
        raise DamagedResult("a log-probability is above 0, or a margin below")
    _check_scores(rows)
    if not set(rows["split"].unique()) <= set(SPLITS):
        raise DamagedResult("the rows are not of the splits dev and test")
    # Texts and blocks as numbers, which are compared faster.
    names = (*conditions, *asks, "query", "expected")
    keys = pd.DataFrame({name: pd.factorize(rows[name])[0] for name in names})
    keys["episode"] = rows["episode"].to_numpy()
    for split, of_split in keys.groupby(rows["split"].to_numpy()):
        count = episodes or int(of_split["episode"].max()) + 1
        there = of_split["episode"]
        if (there.nunique(), there.min(), there.max()) != (count, 0, count - 1):
            raise DamagedResult(f"the rows on {split} are not of episodes 0 to {count - 1}")
        asked = of_split[["episode", *asks, "query", "expected"]].drop_duplicates()
        if asked.duplicated(["episode", *asks]).any():
            raise DamagedResult(f"an episode on {split} has several queries or expected answers")
        repeated = of_split.duplicated([*conditions, "episode"]).any()
        measured = of_split.groupby(list(conditions)).size()
        if repeated or (measured != count).any():
            raise DamagedResult(f"the rows on {split} lack an episode, or have one twice")


def _check_scores(rows: "pd.DataFrame") -> None:
    import numpy as np

    least = {"rank": 1, "answer_gap": -np.inf, "icl_divergence": 0}
    for name in least.keys() & set(rows):
        if not (np.isfinite(rows[name]) & (rows[name] >= least[name])).all():
            raise DamagedResult(f"{name} is not a number that it can be")


def check_central(rows: "pd.DataFrame", identity: Mapping[str, Any]) -> int:
    """Check that the central comparison has its procedures, each after the right blocks.

    Returns:
        The number of blocks that were swept.

    Raises:
        DamagedResult: with what is wrong.
    """
    if set(rows["split"].unique()) != set(SPLITS):
        raise DamagedResult("the rows are not of the splits dev and test")
    has_layer = rows["procedure"].isin(SWEPT)
    if not (rows["layer"].notna() == has_layer).all():
        raise DamagedResult("a vector has no layer, or a prompt without a vector has one")
    if not (rows["layer_identified"].notna() == has_layer).all():
        raise DamagedResult("it is not said whether a layer was identified")
    for split in SPLITS:
        measured = rows.loc[rows["split"] == split, "procedure"]
        if set(measured.unique()) != UNSWEPT[split] | SWEPT:
            raise DamagedResult(f"the rows on {split} lack a procedure, or have one too many")
    columns = ["procedure", "layer"]
    dev, test = (rows.loc[has_layer & (rows["split"] == split), columns] for split in SPLITS)
    depth = int(dev["layer"].max()) + 1
    for procedure in SWEPT:
        swept = set(dev.loc[dev["procedure"] == procedure, "layer"].unique())
        chosen = set(test.loc[test["procedure"] == procedure, "layer"].unique())
        if swept != set(range(depth)) or len(chosen) != 1 or not chosen <= swept:
            raise DamagedResult(f"{procedure}: blocks are missing on dev, or not one is on test")
    return depth


def check_method(rows: "pd.DataFrame", identity: Mapping[str, Any]) -> int:
    """Check that one method was applied after every block on dev, and after one of them on test.

    Returns:
        The number of blocks.

    Raises:
        DamagedResult: with what is wrong.
    """
    named = set(rows["procedure"].unique())
    if named != {identity.get("method")} or set(rows["split"].unique()) != set(SPLITS):
        raise DamagedResult("the rows are of another method than the manifest, or lack a split")
    if rows[["layer", "layer_identified"]].isna().any(axis=None):
        raise DamagedResult("a vector has no layer, or it is not said whether it is identified")
    swept, tested = (set(rows.loc[rows["split"] == split, "layer"].unique()) for split in SPLITS)
    if swept != set(range(len(swept))) or len(tested) != 1 or not tested <= swept:
        raise DamagedResult("blocks are missing on dev, or not one is on test")
    return len(swept)


def check_answers(rows: "pd.DataFrame", identity: Mapping[str, Any]) -> int:
    """Check the scores of whole answers, and that the central comparison is complete.

    Returns:
        The number of blocks that were swept.

    Raises:
        DamagedResult: with what is wrong.
    """
    _check_whole(rows)
    return check_central(rows, identity)


def check_method_answers(rows: "pd.DataFrame", identity: Mapping[str, Any]) -> int:
    """Check the scores of whole answers of one method, as `check_answers` and `check_method`."""
    _check_whole(rows)
    return check_method(rows, identity)


def _check_whole(rows: "pd.DataFrame") -> None:
    import numpy as np

    whole = rows["answer_log_probability"]
    # A first token is no less probable than the whole answer that it begins.
    if not np.isfinite(whole).all() or (whole > rows["log_probability"] + ROUNDING).any():
        raise DamagedResult("the log-probability of a whole answer is not a number that it can be")
    right = rows["correct"]
    if not rows["f1"].between(0, 1).all() or not (rows["f1"][right] == 1).all():
        raise DamagedResult("F1 is not between 0 and 1, or not 1 where an answer is right")


def check_effects(rows: "pd.DataFrame", identity: Mapping[str, Any]) -> int:
    """Check that every head has its effect on every prompt, once.

    Returns:
        The number of blocks.

    Raises:
        DamagedResult: with what is wrong.
    """
    import numpy as np

    if not np.isfinite(rows[["effect", "log_effect", "log_probability"]].to_numpy()).all():
        raise DamagedResult("an effect or a log-probability is not a finite number")
    if not rows["effect"].between(-1, 1).all() or not rows["probability"].between(0, 1).all():
        raise DamagedResult("an effect is not between -1 and 1, or a probability between 0 and 1")
    whole: dict[str, Sequence[int]] = {
        name: range(int(rows[name].max()) + 1) for name in ("episode", "layer", "head")
    }
    if "queries" in identity:  # some episodes alone
        whole["episode"] = list(rows["episode"].unique())
    if not _is_product(rows, whole):
        raise DamagedResult("a head lacks its effect on a prompt, or has two")
    return len(whole["layer"])


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
    if not rows["score"].between(0, 1 + ROUNDING).all() or not rows["deviation"].ge(0).all():
        raise DamagedResult("an induction score is not between 0 and 1, or varies by less than 0")
    heads = {name: range(int(rows[name].max()) + 1) for name in ("layer", "head")}
    if not _is_product(rows, {"definition": list(definitions), **heads}):
        raise DamagedResult("a head lacks its induction score, or has two")
    return len(heads["layer"])


def check_projections(rows: "pd.DataFrame", identity: Mapping[str, Any]) -> None:
    """Check that after every block the task vector has its top tokens, and every vector has its
    answers and each word, once.

    Raises:
        DamagedResult: with what is wrong.
    """
    if not rows["rank"].ge(1).all() or not rows["probability"].between(0, 1 + ROUNDING).all():
        raise DamagedResult("a rank is below 1, or a probability is not between 0 and 1")
    draws = identity.get("draws")
    words = identity.get("words")
    if not isinstance(draws, int) or not isinstance(words, list):
        raise DamagedResult("the manifest does not say which vectors and words were looked for")
    is_random, is_top = rows["vector"] == "random", rows["kind"] == "top"
    keys = rows[["layer", "rank"]].assign(
        vector=(rows["draw"] + 1).where(is_random, -rows["draw"]),
        word=rows["token"].where(rows["kind"] == "description", rows["kind"]),
    )
    blocks = range(int(rows["layer"].max()) + 1)
    ranks = range(1, int(is_top.sum()) // len(blocks) + 1)
    top = {"layer": blocks, "rank": ranks, "vector": range(1)}
    others = {"layer": blocks, "word": ["answers", *words], "vector": range(draws + 1)}
    if not (_is_product(keys[is_top], top) and _is_product(keys[~is_top], others)):
        raise DamagedResult("tokens, answers or words after a block are missing, or are twice")


def nothing_more(rows: "pd.DataFrame", identity: Mapping[str, Any]) -> None:
    """The check of experiments that have none of their own."""


def _is_product(rows: "pd.DataFrame", values: Mapping[str, Sequence[Any]]) -> bool:
    """Whether rows hold every combination of some columns' values once, and nothing else."""
    return (
        len(rows) == prod(map(len, values.values()))
        and not rows.duplicated(list(values)).any()
        and all(rows[name].isin(of_name).all() for name, of_name in values.items())
    )
