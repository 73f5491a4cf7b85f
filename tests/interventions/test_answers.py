"""Answers read from states, in tiles of the logits."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.helpers.reference_scores import gaps_and_divergences, place
from tvsight.interventions import answers, batching
from tvsight.interventions.answers import Icl
from tvsight.interventions.decoder import Decoder
from tvsight.models.loading import load


@pytest.mark.parametrize(
    "name",
    ["gemma2", *(pytest.param(n, marks=pytest.mark.slow) for n in ("gptj", "opt_projected"))],
)
def test_answers_read_in_tiles_are_those_of_whole_logits(
    name: str, tiny_checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = load(str(tiny_checkpoint(name)), device="cpu").decoder
    assert decoder.has_plain_unembedding
    for plain in (True, False):
        if not plain:
            monkeypatch.setattr(Decoder, "has_plain_unembedding", False)
        for rows, logits in ((1024, 1 << 22), (7, 91), (3, 1), (1024, 20 * 128)):
            monkeypatch.setattr(batching, "ANSWER_ROWS", rows)
            for limit in ("CPU_LOGIT_BYTES", "GPU_LOGIT_BYTES"):
                monkeypatch.setattr(batching, limit, 4 * logits)
            assert_answers_of_whole_logits(name, decoder)


def assert_answers_of_whole_logits(name: str, decoder: Decoder) -> None:
    states = 3 * torch.randn(20, decoder.width, generator=torch.Generator().manual_seed(0))
    expected = [row * 17 % decoder.vocabulary for row in range(19)] + [decoder.vocabulary - 1]
    found = answers.answers(decoder, states, expected)
    model = decoder.nn._module
    readout = states
    for part in ("final_norm", "project_out"):
        readout = getattr(decoder.nn, part)(readout) if hasattr(decoder.nn, part) else readout
    whole = model.get_output_embeddings()(readout)
    if name == "gemma2":
        whole = 4.0 * torch.tanh(whole / 4.0)
    best = whole.topk(2)
    assert torch.equal(found["token"], best.indices[:, 0])
    wanted = whole.log_softmax(dim=1)[range(20), expected]
    torch.testing.assert_close(found["log_probability"], wanted, rtol=0, atol=1e-5)
    margin = best.values[:, 0] - best.values[:, 1]
    torch.testing.assert_close(found["margin"], margin, rtol=0, atol=1e-5)
    spelled = [[token, (token + 9) % decoder.vocabulary, 5] for token in expected]
    several = answers.answers(decoder, states, expected, spelled)
    for read, right in ((found, [[token] for token in expected]), (several, spelled)):
        for rank, logits, tokens in zip(read["rank"].tolist(), whole, right, strict=True):
            first, last = place(logits, tokens, 1e-5)
            assert first <= rank <= last
    assert (several["rank"] <= found["rank"]).all()
    for read in (found, several):
        assert len(read["rank"].unique()) > 7


@pytest.mark.parametrize("plain", [True, False])
def test_scores_compare_the_answers_of_fifty_rows_at_a_time(
    decoder: Decoder, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not plain:
        monkeypatch.setattr(Decoder, "has_plain_unembedding", False)
        monkeypatch.setattr(batching, "GPU_LOGIT_BYTES", 4 * 7 * decoder.vocabulary)
    states = 3 * torch.randn(70, 2, decoder.width, generator=torch.Generator().manual_seed(0))
    expected = [row % 9 for row in range(50)] + [200 + row % 5 for row in range(20)]
    accepted = [[token] for token in expected]
    icl = Icl(states[:, 0], expected, accepted)
    found = answers.scores(decoder, states, expected, icl)
    assert found["gap"].shape == found["divergence"].shape == (70, 2)
    assert (found["divergence"][:, 0] < 1e-6).all()
    assert (found["divergence"][:, 1] > 1e-6).all()
    for rows in (slice(50), slice(50, 70)):
        of_rows = Icl(states[rows, 0], expected[rows], accepted[rows])
        part = answers.scores(decoder, states[rows], expected[rows], of_rows)
        gap, divergence = found["gap"][rows], found["divergence"][rows]
        torch.testing.assert_close(part["gap"], gap, rtol=0, atol=1e-5)
        torch.testing.assert_close(part["divergence"], divergence, rtol=0, atol=1e-5)
    alone = answers.scores(decoder, states[:3], [7, 7, 7], Icl(states[:3, 0], [7, 7, 7], [[]] * 3))
    assert not alone["gap"].any()
    assert not alone["divergence"].any()


def test_answers_may_be_spelled_otherwise_in_context(decoder: Decoder) -> None:
    """Under another template the same answers have other tokens, two of them one in common."""
    states = 3 * torch.randn(4, decoder.width, generator=torch.Generator().manual_seed(0))
    icl = 3 * torch.randn(4, decoder.width, generator=torch.Generator().manual_seed(1))
    expected, spelled = [9, 8, 7, 7], [1, 2, 3, 4]
    found = answers.scores(decoder, states, expected, Icl(icl, spelled, [[]] * 4))
    whole = [decoder.unembed(of).log_softmax(dim=-1) for of in (states, icl)]
    gaps, divergences = gaps_and_divergences(*whole, expected, spelled)
    assert found["gap"].tolist() == pytest.approx(gaps, abs=1e-5)
    assert found["divergence"].tolist() == pytest.approx(divergences, abs=1e-5)


@pytest.mark.parametrize(
    ("accepted", "pairs"),
    [
        ([[9], [8], [7]], [([9], [8]), ([8], [7]), ([7], [9])]),
        # Two spellings of each answer.
        ([[9, 19], [8, 18], [7]], [([9, 19], [8, 18]), ([8, 18], [7]), ([7], [9, 19])]),
        # The next answer is another right one, and no wrong one where it is shared.
        ([[9, 8], [8], [7, 9]], [([9, 8], [7]), ([8], [7, 9]), ([7, 9], [8])]),
        # No answer is wrong.
        ([[9, 8, 7], [8, 7, 9], [9, 7, 8]], [([9], [9]), ([8], [8]), ([7], [7])]),
    ],
)
def test_the_gap_is_between_all_tokens_of_the_right_answer_and_of_a_wrong_one(
    decoder: Decoder, accepted: list[list[int]], pairs: list[tuple[list[int], list[int]]]
) -> None:
    states = 3 * torch.randn(3, decoder.width, generator=torch.Generator().manual_seed(0))
    icl = Icl(states, [9, 8, 7], accepted)
    logits = decoder.unembed(states)
    gaps = [
        logits[row, right].logsumexp(dim=0) - logits[row, wrong].logsumexp(dim=0)
        for row, (right, wrong) in enumerate(pairs)
    ]
    found = answers.scores(decoder, states, [9, 8, 7], icl)["gap"]
    torch.testing.assert_close(found, torch.stack(gaps), rtol=0, atol=1e-5)
    whole = logits.log_softmax(dim=-1)
    known = gaps_and_divergences(whole, whole, [9, 8, 7], accepted=accepted)[0]
    assert found.tolist() == pytest.approx(known, abs=1e-5)


def test_an_answer_without_its_space_is_the_same_answer(decoder: Decoder) -> None:
    """A state that says one spelling where the other says the other: equal among answers."""
    generator = torch.Generator().manual_seed(0)
    states, icl = (3 * torch.randn(4, decoder.width, generator=generator) for _ in range(2))
    expected, bare = [9, 8, 7, 6], [19, 18, 17, 16]
    accepted = [[*both] for both in zip(expected, bare, strict=True)]
    found = answers.scores(decoder, states, expected, Icl(icl, expected, accepted))
    whole = [decoder.unembed(of).log_softmax(dim=-1) for of in (states, icl)]
    gaps, divergences = gaps_and_divergences(*whole, expected, accepted=accepted)
    assert found["gap"].tolist() == pytest.approx(gaps, abs=1e-5)
    assert found["divergence"].tolist() == pytest.approx(divergences, abs=1e-5)
    swapped = answers.scores(decoder, states, bare, Icl(icl, bare, accepted))
    for name in ("gap", "divergence"):
        torch.testing.assert_close(swapped[name], found[name], rtol=0, atol=1e-5)
    read = answers.answers(decoder, states, expected, accepted)["rank"]
    assert torch.equal(read, answers.answers(decoder, states, bare, accepted)["rank"])
    says = decoder.unembed(states).argmax(dim=-1).tolist()
    spelled = [[token, other] for token, other in zip(expected, says, strict=True)]
    assert answers.answers(decoder, states, expected, spelled)["rank"].tolist() == [1] * 4


def test_tied_leaders_have_no_margin_wherever_a_tile_ends(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = torch.zeros(2, decoder.vocabulary)
    logits[0, [3, 400]] = 5.0
    logits[1, [10, 11]] = 5.0
    monkeypatch.setattr(Decoder, "readout", lambda self, states: states)
    monkeypatch.setattr(Decoder, "logits", lambda self, rows, part: logits[:, part].clone())
    for columns in (1, 7, 11, 500):
        monkeypatch.setattr(batching, "CPU_LOGIT_BYTES", 8 * columns)
        found = answers.answers(decoder, torch.zeros(2, decoder.width), [3, 11])
        assert found["token"].tolist() == [3, 10]
        assert found["margin"].tolist() == [0.0, 0.0]


def test_logits_that_are_not_finite_show(decoder: Decoder) -> None:
    states = torch.ones(3, decoder.width)
    states[1] = torch.nan
    found = answers.answers(decoder, states, [5, 5, 5])
    assert found["log_probability"].isfinite().tolist() == [True, False, True]
