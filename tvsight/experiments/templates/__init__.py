"""templates."""

NAME = "templates"
