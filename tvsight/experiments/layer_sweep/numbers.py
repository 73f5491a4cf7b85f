"""Mean dev accuracy by block and its peaks, ours and the paper's."""

import pandas as pd

from tvsight.experiments.main_results.layers import over_tasks, paper_by_layer, peaks


def curves(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks after each block: ours, then the paper's models.

    Args:
        table: from `layers.by_layer`.

    Returns:
        The columns of `layers.over_tasks`, and `source`: `tvsight` or `paper`.
    """
    ours = over_tasks(table).assign(source="tvsight")
    theirs = over_tasks(paper_by_layer()).assign(source="paper")
    return pd.concat([ours, theirs], ignore_index=True)


def highest(means: pd.DataFrame) -> pd.DataFrame:
    """The peak of each curve.

    Args:
        means: from `curves`.

    Returns:
        The columns of `layers.peaks`, and `source`.
    """
    found = [
        peaks(of_source).assign(source=source)
        for source, of_source in means.groupby("source", sort=False)
    ]
    return pd.concat(found, ignore_index=True)
