"""Compare a predicted token with the accepted answers, by the matching rule of a task.

This module compares texts. `prompts.tokens.accepted_tokens` adds the first token of each answer,
which always counts under `prefix`, however short it is.

Scoring is a set lookup. The tokens that count as correct for a query are collected once, from the
tokenizer alone, so that a server needs neither the tokenizer nor the rule.
"""

import bisect
from collections.abc import Iterable
from typing import Any

from tvsight.tasks import MatchRule

SCORING_VERSION = 2
"""Part of every result's key. Raise it when a rule below changes."""
MIN_SHARED = 2
"""Characters that a token and an answer must share under the `prefix` rule."""


def matches(predicted: str, answer: str, rule: MatchRule) -> bool:
    """Whether a predicted token counts as an answer.

    Both are stripped of white space first. Under `exact` they must be equal. Under `prefix`, for
    answers that may be several tokens, one must be a prefix of the other, and the shared part must
    be at least `MIN_SHARED` characters or the whole answer. (The authors' rule accepts any shared
    beginning, so a single first letter counts there. It does not count here.)
    """
    predicted, answer = predicted.strip(), answer.strip()
    if rule == "exact":
        return predicted == answer
    if predicted.startswith(answer):
        return True
    return len(predicted) >= MIN_SHARED and answer.startswith(predicted)


class Vocabulary:
    """The decoded tokens of a tokenizer, with an index to find those that `matches` accepts.

    Args:
        most: how many tokens the model can predict, where its tokenizer may have more.
    """

    def __init__(self, tokenizer: Any, most: int | None = None) -> None:
        known = range(len(tokenizer))[:most]
        self.texts: list[str] = tokenizer.batch_decode([[token] for token in known])
        stripped = sorted((text.strip(), index) for index, text in enumerate(self.texts))
        self._sorted = [text for text, _ in stripped]
        self._ids = [index for _, index in stripped]

    def accepted(self, answers: Iterable[str], rule: MatchRule) -> list[int]:
        """Ids of the tokens that count as one of `answers`, ascending."""
        answers = [answer.strip() for answer in answers]
        candidates: set[int] = set()
        for answer in answers:
            candidates.update(self._equal(answer))
            if rule == "prefix":
                candidates.update(self._beginning_with(answer))
                for length in range(MIN_SHARED, len(answer)):
                    candidates.update(self._equal(answer[:length]))
        return sorted(
            i for i in candidates if any(matches(self.texts[i], a, rule) for a in answers)
        )

    def _equal(self, text: str) -> list[int]:
        return self._ids[self._at(text) : bisect.bisect_right(self._sorted, text)]

    def _beginning_with(self, text: str) -> list[int]:
        start = self._at(text)
        end = start
        while end < len(self._sorted) and self._sorted[end].startswith(text):
            end += 1
        return self._ids[start:end]

    def _at(self, text: str) -> int:
        return bisect.bisect_left(self._sorted, text)
