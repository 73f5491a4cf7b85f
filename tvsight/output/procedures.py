"""The procedures that are compared: how tables name each and how figures draw it."""

from typing import NamedTuple

# Seaborn's palette `colorblind`.
BLUE, ORANGE, GREEN, VERMILION, PINK = "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc"
BROWN, GREY, SKY = "#ca9161", "#949494", "#56b4e9"


class Procedure(NamedTuple):
    """One way to get an answer."""

    title: str
    colour: str
    marker: str
    """A shape beside the colour, for readers who do not tell the colours apart."""


PROCEDURES = {
    "baseline": Procedure("Baseline", GREY, "s"),
    "icl": Procedure("ICL", BLUE, "o"),
    "task_vector": Procedure("Task vector", ORANGE, "D"),
    "averaged_vector": Procedure("Averaged vector", GREEN, "^"),
    "no_op": Procedure("No-op patch", "0.25", "x"),
    "random_vector": Procedure("Random vector", VERMILION, "v"),
    "random_deviation": Procedure("Mean + random deviation", "#8c3a00", "<"),
    "any_other_task": Procedure("Another task's vector", PINK, "P"),
    "other_tasks_mean": Procedure("Mean of other tasks", BROWN, "X"),
    "shuffled_labels": Procedure("Shuffled labels", SKY, "*"),
    "icl_shuffled": Procedure("ICL, shuffled labels", "#01486b", "h"),
    "own_mean": Procedure("Own mean vector", "#a36500", "d"),
    "best_other": Procedure("Best other task (chosen on dev)", "#8f4a80", "p"),
}
"""Every procedure, by the name that it has in the column `procedure`."""
CENTRAL = ("baseline", "icl", "task_vector", "averaged_vector")
"""Those of the central comparison."""
COMPARED = ("baseline", "icl", "task_vector")
"""Those of the paper's Figure 4."""
CONTROLS = (
    *("no_op", "random_vector", "random_deviation", "any_other_task", "other_tasks_mean"),
    "shuffled_labels",
)
"""What is patched in place of the task vector, after every block on dev."""
BESIDE_CONTROLS = (
    *("baseline", "icl", "icl_shuffled", "task_vector", "own_mean"),
    *(*CONTROLS, "best_other"),
)
"""The controls and what they are compared with, on test."""


def title(procedure: str) -> str:
    """The name of a procedure in tables and figures."""
    return PROCEDURES[procedure].title
