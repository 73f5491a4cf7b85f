"""Figures of made-up task vectors, and of the tokens that they are nearest to."""

from collections.abc import Callable, Sequence

import pandas as pd

from tests.helpers.projection_rows import chosen, projected
from tests.helpers.vector_examples import FOUR, ONE, vector_set
from tvsight.experiments.token_projections import figures as token_figures
from tvsight.experiments.token_projections import numbers as token_numbers
from tvsight.experiments.vector_clusters import figures as cluster_figures
from tvsight.experiments.vector_clusters import numbers as cluster_numbers
from tvsight.experiments.vector_variability import figures as variability_figures
from tvsight.experiments.vector_variability import numbers as variability_numbers
from tvsight.output.plots import Plot
from tvsight.protocol.vector_sets import VectorSet
from tvsight.statistics.geometry import Metric

Plots = Callable[[], Plot]


def clusters(given: VectorSet, perplexity: float = 5, many: bool = False) -> Plot:
    found, tree = cluster_numbers.embedding(given, perplexity), cluster_numbers.tree(given)
    assert found is not None
    # Of many tasks the words are those of a few: their tests take long.
    groupings = cluster_numbers.groupings(vector_set(FOUR, n=4) if many else given)
    return cluster_figures.clusters(found, tree, given, groupings)


def single(given: VectorSet) -> Plot:
    tree, apart = cluster_numbers.tree(given), cluster_numbers.between_tasks(given)
    assert tree is not None
    return cluster_figures.distances(tree, apart, given, "mean_state")


def variability(given: VectorSet, measure: Metric = "cosine") -> Plot:
    table = variability_numbers.densities(given, measure)
    separations = variability_numbers.separations(given, measure)
    return variability_figures.distances(table, separations, given)


VECTORS: dict[str, Plots] = {
    "vector_clusters_one_task": lambda: clusters(vector_set(ONE, n=7), 30),
    "vector_clusters_single": lambda: single(vector_set(FOUR, n=1)),
    "vector_variability": lambda: variability(vector_set(FOUR, n=6)),
    "vector_variability_euclidean": lambda: variability(vector_set(FOUR, n=6), "euclidean"),
    "vector_variability_one_task": lambda: variability(vector_set(ONE, n=5)),
}

TOKENS = [["London", " Paris", "7", "paris"], ["city", "$x^{$", "語", "capital"], ["a"], ["b"]]
RANKS = {"answers": [4, 2, 2, 1], "capital": [3, 3, 9, 1]}
DRAWN = [{"answers": [900, 800, 700, 90], "capital": [90, 80, 70, 60]}]


def tokens(layer: int = 1, answers: Sequence[str] = ("city",)) -> pd.DataFrame:
    return chosen(projected("one", TOKENS, RANKS, DRAWN, answers=answers), layer)


def tokens_by_task(*rows: pd.DataFrame, all_tokens: bool = False) -> Plot:
    top = token_numbers.top_tokens(pd.concat(rows), token_figures.RANKS, all_tokens)
    return token_figures.by_task(top, "a-model", all_tokens)


def overview() -> Plot:
    rows = pd.concat([tokens(), tokens(0, ["London"]).assign(task="two")], ignore_index=True)
    shares = token_numbers.shares(token_numbers.top_tokens(rows, token_figures.RANKS))
    return token_figures.overview(shares, "a-model")


def ranks(*models: str) -> Plot:
    rows = pd.concat([tokens().assign(model=model) for model in models])
    windows = dict.fromkeys(models, (1, 2))
    return token_figures.ranks(token_numbers.over_tasks(rows), windows)


PROJECTIONS: dict[str, Plots] = {
    "token_projections_by_task": lambda: tokens_by_task(tokens(), tokens(3).assign(task="two")),
    "token_projections_every_token": lambda: tokens_by_task(tokens(2), all_tokens=True),
    "token_projections_overview": overview,
    "token_projections": lambda: ranks("a-model", "b-model"),
}
