"""The tables of the committed reference results."""

from functools import cache

import pandas as pd

from tests.helpers.commands import ROOT
from tvsight.output.labels import AT

TABLES = ROOT / "results" / "tables"
GEMMA, SMOL, QWEN = "gemma-3-270m", "smollm2-135m", f"qwen2.5-coder-1.5b{AT}bf16"


@cache
def table(name: str) -> pd.DataFrame:
    return pd.read_csv(TABLES / f"{name}.csv")


def row(name: str, **where: object) -> pd.Series:
    """The one row of a table that has these values."""
    found = table(name)
    for column, value in where.items():
        found = found[found[column] == value]
    assert len(found) == 1, f"{name}: {len(found)} rows with {where}"
    return found.iloc[0]
