"""conflicting_tasks."""

NAME = "conflicting_tasks"
