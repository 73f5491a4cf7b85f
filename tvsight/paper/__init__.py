"""The paper's own numbers, as data frames in the columns of ours."""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import pandas as pd


@cache
def paper_by_task() -> pd.DataFrame:
    """The paper's complete results: three procedures, seven models, 18 tasks each."""
    with files("tvsight.paper").joinpath("main_results.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


@cache
def paper_layers() -> pd.DataFrame:
    """The paper's curves, three models on 18 tasks, without `relative_depth`."""
    with files("tvsight.paper").joinpath("layers.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file).assign(n=50, chosen=False)


@cache
def paper_by_pair() -> pd.DataFrame:
    """The paper's five pairs on LLaMA 13B, in the columns of `by_pair`, without intervals."""
    with files("tvsight.paper").joinpath("conflicting_tasks.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file).assign(layer_rule="zero_shot")


@cache
def paper_top_tokens() -> pd.DataFrame:
    """The paper's top tokens, two blocks above the best one: three models on four tasks.

    Returns:
        `model`, `category`, `task`, `best_layer`, `layer`, `tokens` (separated by commas).
    """
    with files("tvsight.paper").joinpath("top_tokens.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, keep_default_na=False)


def has_paper_tasks(tasks: Iterable[str]) -> bool:
    """Whether tasks are the 18 of the paper's results, so that means over both can be compared."""
    return set(tasks) == set(paper_by_task()["task"])
