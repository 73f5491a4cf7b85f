"""The report of a vector: where it was chosen, and how well it answers."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

import pandas as pd

from tvsight.foreign import parsed
from tvsight.output.labels import block, counted, number
from tvsight.statistics.intervals import Estimate, accuracy

TITLES = {"baseline": "Baseline", "icl": "ICL", "vector": "Vector"}
"""The procedures that are compared on the test episodes."""
PARTS = ("value", "low", "high", "n", "distinct")
"""The fields kept of an accuracy."""


@dataclass(frozen=True)
class Report:
    """Accuracies of one vector, on the dev episodes that it was extracted from and on test."""

    episodes: int
    """Number of episodes of a split."""
    layer: int
    """The block with the best dev accuracy, the lowest of several, 0-based."""
    identified: bool
    """Whether it beats the baseline on dev, tested against the best of all blocks by chance. The
    test accuracy says nothing about vectors where it does not."""
    dev: tuple[float, ...]
    """Dev accuracy with the vector after each block."""
    test: Mapping[str, Estimate]
    """Test accuracy by the names of `TITLES`, with a 95 % interval over queries."""

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "Report":
        """The report of scored rows, whose vector has the procedure `vector`."""
        test = rows[rows["split"] == "test"]
        swept = rows[(rows["split"] == "dev") & (rows["procedure"] == "vector")]
        by_procedure = dict(list(test.groupby("procedure")))
        runs = {name: by_procedure[name] for name in TITLES}
        chosen = runs["vector"].iloc[0]
        return cls(
            episodes=len(runs["vector"]),
            layer=int(chosen["layer"]),
            identified=bool(chosen["layer_identified"]),
            dev=tuple(float(share) for share in swept.groupby("layer")["correct"].mean()),
            test={name: accuracy(run["correct"], run["query"]) for name, run in runs.items()},
        )

    @property
    def table(self) -> pd.DataFrame:
        """Test accuracies, one row each: `procedure`, `accuracy`, `accuracy_low`, `accuracy_high`,
        `n` (episodes), `queries` (different ones)."""
        return pd.DataFrame(
            {"procedure": name, **of.columns("accuracy"), "n": of.n, "queries": of.distinct}
            for name, of in self.test.items()
        )

    def to_json(self) -> str:
        """The report as a text."""
        test = {name: {part: getattr(of, part) for part in PARTS} for name, of in self.test.items()}
        return json.dumps(asdict(self) | {"test": test})

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """The report of a text.

        Raises:
            ValueError: when it is none.
        """
        try:
            read = parsed(text)
            test = {name: _estimate(read["test"][name]) for name in TITLES}
            dev = tuple(float(share) for share in read["dev"])
            layer = int(read["layer"])
            if not 0 <= layer < len(dev):
                raise ValueError(f"no report: block {layer} of {len(dev)}")
            return cls(int(read["episodes"]), layer, bool(read["identified"]), dev, test)
        except (TypeError, KeyError, OverflowError) as error:
            raise ValueError(f"no report: {error}") from error

    def __str__(self) -> str:
        accuracies = ", ".join(f"{TITLES[name]} {_shown(of)}" for name, of in self.test.items())
        return (
            f"test accuracy over {counted(self.episodes, 'episode')}: {accuracies}. {self._chosen}"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(TITLES[name])}</td><td>{escape(_shown(of))}</td></tr>"
            for name, of in self.test.items()
        )
        head = f"<tr><th></th><th>test accuracy, {counted(self.episodes, 'episode')}</th></tr>"
        return f"<table>{head}{rows}</table><div>{escape(self._chosen)}</div>"

    @property
    def _chosen(self) -> str:
        where = block(self.layer, len(self.dev))
        best = f"Dev accuracy is best after {where}: {number(self.dev[self.layer])}."
        return best if self.identified else f"{best} No block beats the baseline on dev."


def _estimate(read: Mapping[str, Any]) -> Estimate:
    value, low, high = (float(read[name]) for name in ("value", "low", "high"))
    return Estimate(value, low, high, int(read["n"]), int(read["distinct"]))


def _shown(accuracy: Estimate) -> str:
    return f"{number(accuracy.value)} [{number(accuracy.low)}, {number(accuracy.high)}]"
