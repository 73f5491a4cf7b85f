"""main_results."""

NAME = "main_results"
