"""The wording of models, intervals and remarks in all outputs."""

import pandas as pd

from tvsight.models.catalogue import catalogue
from tvsight.texts import one_line

NOT_IDENTIFIED = "layer not identified"
MANY_SHARED = 0.1
"""A larger share of answers that begin with the first token of a wrong one is said in tables."""
AT = "@"
"""Between a model's name and its revision."""
MAX_LABEL = 28
"""Longest name in a figure, in characters."""


def display_name(model: str) -> str:
    """A model's name as figures and tables show it; `name@revision` becomes `name (revision)`."""
    name, _, revision = model.partition(AT)
    entry = catalogue().get(name)
    shown = entry.display_name if entry else shortened(name.rsplit("/", 1)[-1])
    return f"{shown} ({shortened(revision)})" if revision else shown


def shortened(name: str) -> str:
    """A name on one line, short enough for a figure, with nothing in it that is not to be seen."""
    name = one_line(name)
    return name if len(name) <= MAX_LABEL else name[: MAX_LABEL - 1] + "…"


def interval(values: pd.Series, name: str) -> str:
    """`0.62 [0.48, 0.74]` from the entries `name`, `name_low`, `name_high`."""
    value, low, high = (values[name + end] for end in ("", "_low", "_high"))
    if pd.isna(value):
        return "–"
    if pd.isna(low):
        return f"{value:.2f}"
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def number(value: float) -> str:
    """`0.62`, or a dash for what could not be computed."""
    return "–" if pd.isna(value) else f"{value:.2f}"


def counted(number: int, what: str) -> str:
    """`1 task`, `18 tasks`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def sizes(counts: pd.Series) -> str:
    """`50`, or `13 to 50` where counts differ."""
    low, high = counts.min(), counts.max()
    return f"{low}" if low == high else f"{low} to {high}"


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
