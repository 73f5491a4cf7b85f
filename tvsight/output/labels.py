"""The wording of models, tasks, blocks, numbers and remarks in all outputs."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from tvsight.models.catalogue import catalogue
from tvsight.tasks import Pair, packaged_tasks
from tvsight.tasks.task import ARROW
from tvsight.texts import one_line

NOT_IDENTIFIED = "layer not identified"
MANY_SHARED = 0.1
"""A larger share of answers that begin with the first token of a wrong one is said in tables."""
AT = "@"
"""Between a model's name and its revision."""
MAX_LABEL = 28
"""Longest name in a figure, in characters."""
MAX_EXAMPLE = 40
"""Longest input or answer of an example in a table or on a terminal, in characters."""
MISSING = "–"
"""For what could not be computed, or does not apply."""


def display_name(model: str) -> str:
    """A model's name as figures and tables show it; `name@revision` becomes `name (revision)`."""
    name, _, revision = model.partition(AT)
    entry = catalogue().get(name)
    shown = entry.display_name if entry else shortened(name.rsplit("/", 1)[-1])
    return f"{shown} ({shortened(revision)})" if revision else shown


def task_title(name: str) -> str:
    """A task's name as figures and tables show it: `country → capital`, `first of list`.

    The name of a pair of tasks becomes both titles, `en → es / en → fr`. A task of the user has
    its own name, shortened.
    """
    if ARROW in name:
        return " / ".join(map(task_title, name.split(ARROW)))
    task = packaged_tasks().get(name)
    return task.title if task else shortened(name)


def shortened(name: str, most: int = MAX_LABEL) -> str:
    """A text on one line, short enough for a figure, with nothing in it that is not to be seen."""
    name = one_line(name)
    return name if len(name) <= most else name[: most - 1] + "…"


def example(pair: Pair) -> str:
    """`France → Paris`: the input of a pair and its usual answer, the input of a long one cut."""
    return f"{shortened(pair.input, MAX_EXAMPLE)} → {shortened(pair.answer, MAX_EXAMPLE)}"


def block(layer: int, depth: int) -> str:
    """`block 11 of 0–17`: a block among those of its model."""
    return f"block {layer} of 0–{depth - 1}"


def interval(values: Mapping[str, Any] | pd.Series, name: str) -> str:
    """`0.62 [0.48, 0.74]` from the entries `name`, `name_low`, `name_high`."""
    value, low, high = (values[name + end] for end in ("", "_low", "_high"))
    if pd.isna(value) or pd.isna(low):
        return number(value)
    return f"{number(value)} [{number(low)}, {number(high)}]"


def number(value: float) -> str:
    """`0.62`, or a dash for what could not be computed. What is rounded to zero has no sign."""
    text = f"{value:.2f}"
    return MISSING if pd.isna(value) else text.removeprefix("-") if text == "-0.00" else text


def spread(mean: float, deviation: float) -> str:
    """`0.0154 ± 0.0097`: two digits of the deviation count, and the same places of the mean."""
    if pd.isna(mean):
        return MISSING
    if pd.isna(deviation) or not deviation:
        return f"{mean:,.{_places(mean, 3)}f}"
    places = _places(deviation, 2)
    return f"{mean:,.{places}f} ± {deviation:,.{places}f}"


def small(value: float, least: float = 1e-9) -> str:
    """`0.3`, `2e-5` or `<1e-9`: a probability to one digit."""
    text = f"{value:.1g}" if value >= least else f"<{least:.0g}"
    return text.replace("e-0", "e-")


def counted(number: int, what: str) -> str:
    """`1 task`, `18 tasks`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def of_models(finding: str, models: int = 1) -> str:
    """The title of a figure: a finding, which says so where it stands on one model."""
    return f"One model: {finding}" if models == 1 else finding


def sizes(counts: pd.Series) -> str:
    """`50`, or `13 to 50` where counts differ."""
    low, high = counts.min(), counts.max()
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def ends(values: "pd.Series[float]") -> str:
    """`0.67 to 0.73`, the least and the greatest, or one where they read alike."""
    return " to ".join(dict.fromkeys((number(values.min()), number(values.max()))))


def shared_note(shared: object) -> str:
    """A remark on a task whose answers often begin alike; empty where they do not.

    Args:
        shared: `shared_first_token` of a manifest, from `filtering.shared_first_tokens`.
    """
    match shared:
        case {"answers": int(answers), "of": int(total)} if answers > MANY_SHARED * total:
            return (
                f"{answers} of {total} answers begin with the same token as a wrong one, so some "
                "wrong answers may count as correct"
            )
    return ""


def cut_note(cut: object) -> str:
    """A remark on a task with usual answers of more tokens than were generated; empty elsewhere.

    Args:
        cut: `cut_answers` of a manifest.
    """
    match cut:
        case {"longer": int(longer), "of": int(total), "longest": int(longest)} if longer:
            return (
                f"{longer} of {total} usual answers have more tokens than --answer-tokens, up to "
                f"{longest}, so they cannot be answered exactly"
            )
    return ""


def _places(value: float, digits: int) -> int:
    """Places after the point that leave so many digits of a value."""
    return max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else digits - 1
