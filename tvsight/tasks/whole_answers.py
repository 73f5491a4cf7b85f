"""Score a whole answer against the accepted ones, normalised as in SQuAD (Rajpurkar 2016)."""

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)


class Score(NamedTuple):
    """The scores of one answer. Each is that of the accepted answer that suits it best."""

    exact: bool
    """Whether the texts are equal."""
    f1: float
    """The harmonic mean of precision and recall over words, 0 to 1."""
    first_word: bool
    """Whether the first words are equal."""


def score(predicted: str, query: str, accepted: Sequence[str]) -> Score:
    """Compare texts without case, punctuation, articles and repeated white space.

    An answer that differs from its query in these alone, such as its upper case, is compared as it
    is written: a copy of the query would count otherwise. So is a text that consists of nothing
    else, such as the letter `a`.
    """
    as_written = _as_written(query, accepted)
    of_predicted = _words(predicted, as_written)
    scores = [_compared(of_predicted, _words(answer, as_written)) for answer in accepted]
    return Score(*(max(values) for values in zip(*scores, strict=True)))


def begins(predicted: str, query: str, accepted: Sequence[str]) -> bool:
    """Whether a text begins with all words of an accepted answer, compared as in `score`."""
    as_written = _as_written(query, accepted)
    words = _words(predicted, as_written)
    answers = [_words(answer, as_written) for answer in accepted]
    return any(words[: len(answer)] == answer for answer in answers)


def normalised(text: str) -> str:
    """A text in lower case, without punctuation and articles, with single spaces."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def _as_written(query: str, accepted: Sequence[str]) -> bool:
    return any(normalised(answer) == normalised(query) for answer in accepted)


def _words(text: str, as_written: bool) -> list[str]:
    return text.split() if as_written else (normalised(text) or text.lower()).split()


def _compared(predicted: list[str], answer: list[str]) -> Score:
    shared = sum((Counter(predicted) & Counter(answer)).values())
    f1 = 2 * shared / (len(predicted) + len(answer)) if shared else 0.0
    return Score(predicted == answer, f1, predicted[:1] == answer[:1])
