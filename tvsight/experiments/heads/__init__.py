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
SHARES = (0.01, 0.03, 0.05, 0.10, 0.20)
"""Shares of all heads that are ablated: 1, 2, 3, 7 and 14 of 72."""
DRAWS = 5
"""Sets of random heads of each size, without the top heads of either kind."""
REPLACEMENTS = {
    "other_tasks": "mean over other tasks",
    "zero": "zero",
    "own_task": "mean over the task",
}
"""Replacements of an ablated head, and their words: its mean over few-shot dev prompts of the
other tasks, zero, or its mean over those of the same task. The last is what a function vector sums,
so it removes only what depends on the query."""
COPYING = ("list_first", "list_last", "to_lower", "to_upper")
"""Tasks whose answer stands in the query."""


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
