"""Numbers of tasks: of those that ICL solves, and the power of the tests behind them."""

from collections.abc import Mapping, Sequence

import pandas as pd

from tvsight.statistics.tests import SIGNIFICANCE, holm, power

MIN_ICL_GAIN = 0.20
"""ICL solves a task where it gains this over the baseline: the paper's rule for its figure. Other
tasks stay in all means, and are counted apart."""


def solved(table: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows of a task table have an `icl` that gains `MIN_ICL_GAIN` over the `baseline`."""
    return (table["icl"] - table["baseline"]).round(9) >= MIN_ICL_GAIN


def counted(run: pd.DataFrame, counts: Mapping[str, str]) -> dict[str, float]:
    """The numbers of rows whose p-value in a column is below `SIGNIFICANCE`, by name. Where rows
    have `solved`, also `icl_gains`, how many are, and `<name>_solved`, each count among these;
    where they have `power` (see `tests.power`), its mean."""
    row: dict[str, float] = {name: significant(run, column) for name, column in counts.items()}
    if "solved" in run:
        row["icl_gains"] = int(run["solved"].sum())
        for name, column in counts.items():
            row[f"{name}_solved"] = significant(run, column, run["solved"])
    if counts and "power" in run:
        row["power"] = run["power"].mean()
    return row


def significant(run: pd.DataFrame, column: str, among: "pd.Series[bool] | bool" = True) -> int:
    """The number of rows whose p-value, adjusted by Holm's method for all rows, is below
    `SIGNIFICANCE`; of those `among` which it is asked."""
    adjusted = run[column] if column == adjusted_name(column) else holm(run[column])
    return int(((adjusted < SIGNIFICANCE) & among).sum())


def tested(table: pd.DataFrame, keys: Sequence[str], counts: Mapping[str, str]) -> pd.DataFrame:
    """A table with p-values adjusted for the tasks of a condition, and with the `power` of their
    tests."""
    groups = table.groupby(list(keys), sort=False, observed=True, dropna=False)
    new = {
        adjusted_name(of): groups[of].transform(holm)
        for of in counts.values()
        if of != adjusted_name(of)
    }
    if "queries" in table:
        sizes = zip(table["queries"], groups["task"].transform("size"), strict=True)
        new["power"] = pd.Series([power(*of) for of in sizes], table.index)
    return table.assign(**new)


def adjusted_name(column: str) -> str:
    """The column of a p-value that is adjusted by Holm's method."""
    return f"{column.removesuffix('_holm')}_holm"
