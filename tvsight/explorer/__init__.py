"""The explorer: stored results as one page, and as text."""

NAME = "report"
"""The folder of the page in a results folder."""
CENTRAL = ("main_results", "answers")
"""The central comparison, of first tokens and of whole answers."""
EXPERIMENTS = (
    *("main_results", "methods", "answers", "method_answers", "controls"),
    *("token_projections", "head_effects", "heads", "steering"),
)
"""The experiments whose rows are shown task by task. Of others the figures are shown."""
