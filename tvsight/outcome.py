"""What a run, or the store, has to show."""

from dataclasses import dataclass, field

import pandas as pd


@dataclass
class Outcome:
    """Rows, and what is missing."""

    rows: list[pd.DataFrame] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    """Message by `model / task`."""

    @property
    def table(self) -> pd.DataFrame:
        """All rows in one data frame."""
        return pd.concat(self.rows, ignore_index=True)
