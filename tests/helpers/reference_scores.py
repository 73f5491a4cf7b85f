"""Scores among the answers of a task, from whole distributions, one row at a time."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from tvsight.interventions.answers import Answers
from tvsight.prompts.tokens import PromptTokens


def place(found: Tensor, right: Iterable[int], tolerance: float = 0.0) -> tuple[int, int]:
    """The first and the last place that the best of some tokens can have, where log-probabilities
    are known up to a tolerance."""
    others = found.clone()
    others[[*right]] = -torch.inf
    best = found[[*right]].max()
    first, last = (int((others > best + step).sum()) + 1 for step in (tolerance, -tolerance))
    return first, last


def assert_ranked(
    found: Answers, whole: Sequence[Tensor], of: PromptTokens, tolerance: float
) -> None:
    """The ranks are those of the right tokens of some prompts.

    Args:
        whole: log-probabilities of all tokens, of each episode.
    """
    right = zip(of["expected"], of["accepted"], strict=True)
    for rank, own, (token, accepted) in zip(found["rank"].tolist(), whole, right, strict=True):
        first, last = place(own, {token, *accepted}, tolerance)
        assert first <= rank <= last


def gaps_and_divergences(
    found: Sequence[Tensor],
    icl: Sequence[Tensor],
    expected: Sequence[int],
    icl_expected: Sequence[int] | None = None,
    accepted: Sequence[Sequence[int]] = (),
) -> tuple[list[float], list[float]]:
    """The gap and the divergence from in-context learning of up to fifty episodes. Where no answer
    is wrong, the gap is 0.

    Args:
        found, icl: log-probabilities of all tokens, of each episode.
        expected: the token of each episode.
        icl_expected: the same in the prompts of in-context learning, where they spell it otherwise.
        accepted: the tokens that count as correct, where there are more.
    """
    count, usual = len(expected), [*zip(expected, icl_expected or expected, strict=True)]
    right = [{*usual[row], *(accepted[row] if accepted else ())} for row in range(count)]
    # The name of an answer says which episodes accept it.
    names = {
        token: "".join("x" if token in own else "." for own in right)
        for token in sorted(set().union(*right))
    }

    def summed(whole: Tensor) -> dict[str, float]:
        shares: dict[str, float] = {}
        for token, name in names.items():
            shares[name] = shares.get(name, 0.0) + float(whole[token].double().exp())
        return shares

    gaps, divergences = [], []
    for row, (own, aimed) in enumerate(zip(found, icl, strict=True)):
        given, wanted = summed(own), summed(aimed)
        rivals = [n % count for n in range(row, row + count)]
        rivals = [n for n in rivals if not right[row] & {*usual[n]}]
        if rivals:
            mine = sum(share for name, share in given.items() if name[row] == "x")
            theirs = {name: share for name, share in given.items() if name[rivals[0]] == "x"}
            wrong = sum(share for name, share in theirs.items() if name[row] != "x")
            gaps.append(float(torch.tensor(mine / wrong).log()))
        else:
            gaps.append(0.0)
        p, q = (torch.tensor([*of.values()]).double() for of in (wanted, given))
        p, q = p / p.sum(), q / q.sum()
        divergences.append(float((p * (p / q).log()).sum()))
    return gaps, divergences
