"""Scores among the answers of a task, from whole distributions, one row at a time."""

from collections.abc import Sequence

from torch import Tensor


def gaps_and_divergences(
    found: Sequence[Tensor],
    icl: Sequence[Tensor],
    expected: Sequence[int],
    icl_expected: Sequence[int] | None = None,
    accepted: Sequence[Sequence[int]] = (),
) -> tuple[list[float], list[float]]:
    """The gap and the divergence from in-context learning of up to fifty episodes. Where all have
    one token, the gap is 0.

    Args:
        found, icl: log-probabilities of all tokens, of each episode.
        expected: the token of each episode.
        icl_expected: the same in the prompts of in-context learning, where they spell it otherwise.
        accepted: the tokens that count as correct, where there are more.
    """
    spelled = [*zip(expected, icl_expected or expected, strict=True)]
    here, there = zip(*sorted(set(spelled)), strict=True)
    gaps, divergences = [], []
    for row, (own, aimed) in enumerate(zip(found, icl, strict=True)):
        token = expected[row]
        right = {token, *(accepted[row] if accepted else ())}
        later = [*expected[row:], *expected]
        wrong = next((other for other in later if other not in right), token)
        gaps.append(float(own[token] - own[wrong]))
        given, wanted = own[[*here]].log_softmax(dim=0), aimed[[*there]].log_softmax(dim=0)
        divergences.append(float((wanted.exp() * (wanted - given)).sum()))
    return gaps, divergences
