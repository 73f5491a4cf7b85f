"""One file per experiment: episodes → interventions → rows. No plotting, no printing."""

MAIN_RESULTS = "main_results"
"""Name of the central comparison in the store."""
