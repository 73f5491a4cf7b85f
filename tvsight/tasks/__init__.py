"""Tasks: the paper's 18, further ones from follow-up work, and the user's own."""

from tvsight.tasks.registry import PAPER_TASKS, in_order, packaged_tasks, select, task
from tvsight.tasks.task import CATEGORIES, MatchRule, Pair, Task

__all__ = [
    "CATEGORIES",
    "PAPER_TASKS",
    "MatchRule",
    "Pair",
    "Task",
    "in_order",
    "packaged_tasks",
    "select",
    "task",
]
