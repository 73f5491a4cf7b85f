"""Steering: vectors written over the residual stream or added to it, in several contexts."""

from tvsight.config import VECTOR_RULES, RunConfig

NAME = "steering"
Options = RunConfig
RULES = VECTOR_RULES

METHODS = ("task_vector", "averaged_vector", "function_vector")
"""The vectors, by the names of their methods."""
SWEPT = ("task_vector", "averaged_vector")
"""Those that the central comparison writes over every block, so that their best is known."""
ALPHAS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Factors of a vector that is added."""
VECTOR = "vector"
"""The procedure that applies a task's own vector."""
CONTROLS = ("random_addition", "negated", "any_other_task")
"""Vectors that are added in its place, in zero-shot prompts."""
CONTEXTS = ("zero_shot", "shuffled", "other_task", "template", "natural")
"""Prompts that a vector is applied to. `docs/steering.md` describes them."""
HEADS = 10
"""Heads in a function vector."""
EPISODES, TOKENS = 5, 12
"""Test episodes after whose zero-shot prompts text is generated, and its length."""
