"""token_projections."""

NAME = "token_projections"
