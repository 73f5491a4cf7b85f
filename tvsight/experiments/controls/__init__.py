"""controls."""

NAME = "controls"
