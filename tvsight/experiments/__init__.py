"""One file per experiment: episodes → interventions → rows. No plotting, no printing.

The names here are those of folders in the store.
"""

MAIN_RESULTS = "main_results"
"""The central comparison."""
CONFLICTING_TASKS = "conflicting_tasks"
"""The vector of one task against the demonstrations of another."""
TOKEN_PROJECTIONS = "token_projections"
"""Mean vectors through the unembedding."""
CONTROLS = "controls"
"""What is patched in place of the task vector."""
TEMPLATES = "templates"
"""Vectors extracted under one template and applied under another, with other dummy queries."""
