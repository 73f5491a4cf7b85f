"""Ablation of FV heads and of induction heads (Yin and Steinhardt 2025)."""

from typing import NamedTuple

from tvsight.config import RULES as ALL_RULES
from tvsight.config import RunConfig

NAME = "heads"
INDUCTION = "induction_scores"
"""The folder of the induction scores of heads, one result per model."""
Options = RunConfig
RULES = ALL_RULES._replace(
    unused={"vectors": "it needs the means of heads, and stores no task vectors."}
)

KINDS = ("fv", "induction", "random", "fv_excluding", "induction_excluding")
"""Heads that are ablated: those of the largest FV score, of the largest induction score, or drawn
at random; and the first two without the top heads of the other kind."""
SHARES = (0.01, 0.02, 0.05, 0.10, 0.20)
"""Shares of all heads that are ablated."""
DRAWS = 5
"""Sets of random heads of each size."""


class Repetition(NamedTuple):
    """Random tokens that are said several times."""

    tokens: int
    """Random tokens in a sequence, all different."""
    copies: int
    """How often they are said."""
    sequences: int


DEFINITIONS = {"twice": Repetition(50, 2, 100), "four_times": Repetition(100, 4, 25)}
"""The two definitions of the induction score. The first chooses heads; its authors have 1,000
sequences, which change the score of a head by its standard error only."""
CHOOSES = "twice"
