"""Experiments: one folder per figure or table, with files of the same names in each."""

EXPERIMENTS = (
    "main_results",
    "layer_sweep",
    "failures",
    "vector_clusters",
    "vector_variability",
    "token_projections",
    "controls",
    "function_vectors",
    "heads",
    "steering",
    "learned_vectors",
    "conflicting_tasks",
    "shots",
    "templates",
)
"""The names of all folders, in the order in which they use what the others have stored."""
