"""Read a list of examples, the form of the function-vector tasks (Todd et al., 2024).

Such a file is a JSON list of objects, `[{"input": "hot", "output": "cold"}, ...]`. The public ones
have white space at the ends of words, repeated examples, and inputs with several outputs. They are
read as they are, and a remark says what was changed.
"""

import warnings
from collections import Counter
from typing import Any

from tvsight.errors import Remark, UsageError
from tvsight.tasks.task import Pair
from tvsight.tasks.words import MAX_WORD, check_text, shown

KEYS = ("input", "output")
FORM = '{"input": "hot", "output": "cold"}'
NAMED = 3
"""Number of unread keys that a remark names."""


def read_examples(rows: list[tuple[str, Any]], where: str) -> tuple[Pair, ...]:
    """The pairs of a list of examples, one per input.

    White space at the ends of inputs and outputs is left out, and a repeated example counts once.
    An input with several outputs accepts all of them, the most frequent first. An output may be a
    list of accepted ones. Further keys are not read.

    Args:
        rows: the examples, each with its number.
        where: the file.

    Raises:
        UsageError: for an example that is none; the message has its number.

    Warns:
        Remark: with what was left out, merged or not read.
    """
    counts: dict[str, Counter[str]] = {}
    outputs: dict[str, set[tuple[str, ...]]] = {}
    unread: dict[str, None] = {}
    trimmed = repeated = 0
    for number, row in rows:
        place = f"{where}, {number}"
        written = _texts(row, place)
        given, *answers = texts = [text.strip() for text in written]
        for text in texts:
            check_text(text, place, MAX_WORD, breaks=True)
        known = outputs.setdefault(given, set())
        repeated += tuple(answers) in known
        known.add(tuple(answers))
        counts.setdefault(given, Counter()).update(dict.fromkeys(answers, 1))
        trimmed += sum(text != before for text, before in zip(texts, written, strict=True))
        unread.update(dict.fromkeys(key for key in row if key not in KEYS))
    pairs = tuple(
        Pair(given, tuple(answer for answer, _ in of_input.most_common()))
        for given, of_input in counts.items()
    )
    contradicted = [pair for pair in pairs if len(outputs[pair.input]) > 1]
    _say(where, trimmed, repeated, contradicted, list(unread))
    return pairs


def _texts(row: Any, place: str) -> list[str]:
    """The input of an example, then its outputs, as they are written."""
    if not isinstance(row, dict):
        raise UsageError(f"{place}: an example such as {FORM} was expected, found {shown(row)}.")
    for key in KEYS:
        if key not in row:
            raise UsageError(
                f'{place}: no "{key}"; an example such as {FORM} was expected, found {shown(row)}.'
            )
    outputs = row["output"] if isinstance(row["output"], list) else [row["output"]]
    if not outputs:
        raise UsageError(f"{place}: output: at least one text was expected, found [].")
    for text in (row["input"], *outputs):
        if not isinstance(text, str):
            raise UsageError(f"{place}: {shown(text)}: text was expected, in quotation marks.")
    return [row["input"], *outputs]


def _say(
    where: str, trimmed: int, repeated: int, contradicted: list[Pair], unread: list[str]
) -> None:
    """Warn of what is read in another way than it is written, in one remark."""
    told = []
    if trimmed:
        told.append(f"white space at the ends of {_counted(trimmed, 'text')} is left out")
    if repeated:
        told.append(f"{_counted(repeated, 'repeated example')} counted once")
    if contradicted:
        first = contradicted[0]
        answers = " and ".join(shown(answer) for answer in first.answers[:2])
        several = "has several outputs" if len(contradicted) == 1 else "have several outputs"
        told.append(
            f"{_counted(len(contradicted), 'input')} {several}, all of them accepted (such as "
            f"{shown(first.input)}: {answers})"
        )
    if unread:
        named = ", ".join(map(shown, unread[:NAMED])) + ", ..." * (len(unread) > NAMED)
        told.append(f"only input and output are read, not {named}")
    if told:
        warnings.warn(f"{where}: {'; '.join(told)}.", Remark, stacklevel=4)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
