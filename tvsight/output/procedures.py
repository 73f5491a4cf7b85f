"""The procedures that are compared: how tables name each and how figures draw it."""

from collections.abc import Sequence
from typing import NamedTuple


class Procedure(NamedTuple):
    """One way to get an answer."""

    title: str
    colour: str
    marker: str
    """A shape beside the colour, for readers who do not tell the colours apart."""


PROCEDURES = {
    # Lightness falls from the baseline to ICL, so that the four differ in greyscale too.
    "baseline": Procedure("Baseline", "#bdbdbd", "s"),
    "icl": Procedure("ICL", "#0b3c7d", "o"),
    "task_vector": Procedure("Task vector", "#d97706", "D"),
    "averaged_vector": Procedure("Averaged vector", "#1b7a4b", "^"),
    # Further methods. Their controls look like those of task vectors: no figure has both.
    "mean_state": Procedure("Mean state, added", "#535eac", "H"),
    "function_vector": Procedure("Function vector", "#c8599e", "X"),
    "learned_vector": Procedure("Learned vector", "#690df2", "h"),
    "raw_vector": Procedure("Raw sum of heads", "#d58fc0", "d"),
    "random_heads": Procedure("Random heads", "#9b7b52", "v"),
    "bottom_heads": Procedure("Bottom heads", "#6b4a26", "<"),
    "other_function_vector": Procedure("Another task's function vector", "#85d6f1", "P"),
    "random_addition": Procedure("Random direction, added", "#b7a58a", ">"),
    "negated": Procedure("Negated vector", "#c44d5b", "v"),
    # ICL without some heads: a hue by the kind of head, lighter without the top ones of the other.
    "ablated_fv": Procedure("FV heads", "#db5799", "s"),
    "ablated_induction": Procedure("Induction heads", "#2466a8", "^"),
    "ablated_random": Procedure("Random heads", "#8a7350", "v"),
    "ablated_fv_excluding": Procedure("FV heads, no top induction", "#edabc4", "h"),
    "ablated_induction_excluding": Procedure("Induction heads, no top FV", "#7cb0dd", "p"),
    "own_mean": Procedure("Own mean vector", "#8f4e04", "d"),
    # Controls have a hue by what is changed: random brown, other tasks cyan, labels red.
    "no_op": Procedure("No-op patch", "#555555", "x"),
    "random_vector": Procedure("Random vector", "#9b7b52", "v"),
    "random_deviation": Procedure("Mean + random deviation", "#6b4a26", "<"),
    "any_other_task": Procedure("Another task's vector", "#7cc7dd", "P"),
    "other_tasks_mean": Procedure("Mean of other tasks", "#3d9bb8", "X"),
    "best_other": Procedure("Best other task (chosen on dev)", "#0f6a86", "p"),
    "shuffled_labels": Procedure("Shuffled labels", "#7a0e1b", "*"),
    "icl_shuffled": Procedure("ICL, shuffled labels", "#e88f8b", "h"),
}
"""Every procedure, by the name that it has in the column `procedure`. No category of tasks has one
of these colours."""
CENTRAL = ("baseline", "icl", "task_vector", "averaged_vector")
"""Those of the central comparison."""
COMPARED = ("baseline", "icl", "task_vector")
"""Those of the paper's Figure 4."""
CONTROLS = (
    *("no_op", "random_vector", "random_deviation", "any_other_task", "other_tasks_mean"),
    "shuffled_labels",
)
"""Vectors that are patched in place of the task vector, after every block on dev."""
BESIDE_CONTROLS = (
    *("baseline", "icl", "icl_shuffled", "task_vector", "own_mean"),
    *(*CONTROLS, "best_other"),
)
"""The controls and what they are compared with, on test."""
FURTHER = ("mean_state", "function_vector")
"""The methods beside the central comparison."""
BESIDE_FUNCTION_VECTORS = (
    *("baseline", "icl", "task_vector", *FURTHER, "raw_vector"),
    *("random_heads", "bottom_heads", "other_function_vector", "random_addition"),
)
"""Function vectors and what they are compared with, on test."""
BESIDE_STEERING = (
    *("baseline", "icl", "task_vector", "averaged_vector", "function_vector"),
    *("random_addition", "negated", "any_other_task"),
)
"""Vectors that are added with a factor, and their controls."""
OWN = Procedure("", "#4a6b1f", "p")
"""The look of a method of the user's own."""


def add(procedure: str, title: str) -> None:
    """Name a method of the user's own, for this process."""
    PROCEDURES.setdefault(procedure, OWN._replace(title=title))


def title(procedure: str) -> str:
    """The name of a procedure in tables and figures."""
    return PROCEDURES[procedure].title


def word(procedure: str) -> str:
    """The name of a vector within a sentence: `task vector`, `mean state`."""
    name = title(procedure).partition(",")[0]
    return name[0].lower() + name[1:] if name[1:2].islower() else name


def beside(names: Sequence[str], vector: str) -> tuple[str, ...]:
    """Procedures, with another vector in the place of the task vector."""
    return tuple(vector if name == "task_vector" else name for name in names)


def about(text: str, vector: str) -> str:
    """A text about a vector, which is named after it where it is not the task vector."""
    return text if vector == "task_vector" else f"{text} ({word(vector)})"
