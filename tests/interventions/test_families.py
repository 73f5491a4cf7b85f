"""Every architecture family, measured by tvsight and by an independent reference."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from tests.helpers import reference
from tests.helpers.phrases import EPISODES, complete_prompts, token_ids
from tests.helpers.reads import by_procedure
from tests.helpers.reference_scores import assert_ranked, gaps_and_divergences
from tests.helpers.tiny_models import DEPTH, EVERY_FAMILY, WIDTH
from tvsight.execution import here
from tvsight.interventions import application, learning
from tvsight.interventions.answers import Answers
from tvsight.interventions.generation import ENDED, Patches, force, generate
from tvsight.models.loading import Model, load
from tvsight.prompts import PromptTokens
from tvsight.protocol.conditions import at
from tvsight.protocol.measure import VECTORS, Comparison, measure, measure_dev

TOLERANCE = 1e-4
"""Of vectors, log-probabilities, and the margin below which an answer is undecided."""
EMPTY: list[int] = []
MOST = 5
"""Tokens of a generated answer."""
STOPS = range(0, 400, 4)
"""A quarter of the vocabulary, so that answers end after different numbers of tokens."""

Checkpoints = Callable[[str], Path]


class Measured(NamedTuple):
    """One family, measured twice."""

    found: Comparison
    wanted: reference.Measurement
    dev: PromptTokens
    test: PromptTokens


@pytest.fixture(scope="module", params=EVERY_FAMILY)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(family: str, tiny_checkpoint: Checkpoints) -> Model:
    return load(str(tiny_checkpoint(family)), device="cpu")


@pytest.fixture(scope="module")
def plain(family: str, tiny_checkpoint: Checkpoints) -> reference.Reference:
    return reference.Reference(tiny_checkpoint(family))


@pytest.fixture(scope="module")
def measured(model: Model, plain: reference.Reference) -> Measured:
    dev, test = token_ids(model, "dev"), token_ids(model, "test")
    found = here.run(model.decoder, measure, dev, test)
    wanted = reference.measure(
        plain, complete_prompts(dev), complete_prompts(test), dev["others"], test["others"]
    )
    return Measured(found, wanted, dev, test)


def test_task_vectors_are_the_residual_streams_of_the_reference(
    model: Model, measured: Measured
) -> None:
    vectors = [
        learning.task_vectors(
            learning.last_states(model.decoder, tokens["shared"], tokens["dummies"])
        )
        for tokens in (measured.dev, measured.test)
    ]
    assert_close(torch.cat(vectors), measured.wanted.vectors)
    for split, exact in zip(("dev", "test"), vectors, strict=True):
        stored = measured.found[split]["vectors"]
        assert stored.dtype == torch.half
        # Which rows share a forward sways the last bits, and with them a rounding to half.
        torch.testing.assert_close(stored.float(), exact, rtol=2**-10, atol=TOLERANCE)


def test_answers_without_a_vector_are_those_of_the_reference(measured: Measured) -> None:
    found, wanted = measured.found, measured.wanted
    assert_same_answers(
        by_procedure(found["dev"]["read"])["baseline"], wanted.dev_baseline, measured.dev
    )
    answers = by_procedure(found["test"]["read"])
    assert_same_answers(answers["baseline"], wanted.baseline, measured.test)
    assert_same_answers(answers["icl"], wanted.icl, measured.test)


@pytest.mark.parametrize("procedure", VECTORS)
def test_the_layer_sweep_is_that_of_the_reference(measured: Measured, procedure: str) -> None:
    assert_same_sweep(measured, by_procedure(measured.found["dev"]["read"])[procedure], procedure)


def test_the_sweep_does_not_depend_on_which_layers_share_a_forward(
    model: Model, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One layer a forward: all share one in the sweep above."""
    monkeypatch.setattr(application, "rows_per_forward", lambda decoder, length: 1)
    found = here.run(model.decoder, measure_dev, measured.dev)
    assert_same_sweep(measured, by_procedure(found["read"])["task_vector"], "task_vector")


@pytest.mark.parametrize("procedure", VECTORS)
def test_the_chosen_layer_and_its_test_answers_are_those_of_the_reference(
    measured: Measured, procedure: str
) -> None:
    wanted = getattr(measured.wanted, procedure)
    assert measured.found["layers"][procedure] == wanted.layer
    found = at(by_procedure(measured.found["test"]["read"])[procedure], 0)
    assert_same_answers(found, wanted.test, measured.test)


def test_scores_among_answers_are_those_of_the_reference(
    measured: Measured, plain: reference.Reference
) -> None:
    found, wanted = measured.found, measured.wanted
    dev_icl = [plain.answer(prompts.few_shot) for prompts in complete_prompts(measured.dev)]
    assert len(set(measured.dev["expected"])) > 1
    assert_same_scores(
        by_procedure(found["dev"]["read"])["baseline"], wanted.dev_baseline, dev_icl, measured.dev
    )
    for procedure in VECTORS:
        for layer, answers in enumerate(getattr(wanted, procedure).sweep):
            swept = at(by_procedure(found["dev"]["read"])[procedure], layer)
            assert_same_scores(swept, answers, dev_icl, measured.dev)
    tested = {
        "baseline": wanted.baseline,
        "icl": wanted.icl,
        **{name: getattr(wanted, name).test for name in VECTORS},
    }
    assert by_procedure(found["test"]["read"]).keys() == tested.keys()
    for name, answers in tested.items():
        of_test = by_procedure(found["test"]["read"])[name]
        of_test = at(of_test, 0) if name in VECTORS else of_test
        assert_same_scores(of_test, answers, wanted.icl, measured.test)


def test_answers_vary_so_that_a_wrong_one_shows(measured: Measured) -> None:
    wanted = measured.wanted
    without_vector = [*wanted.dev_baseline, *wanted.baseline, *wanted.icl]
    assert len({answer.token for answer in without_vector}) > 3
    assert len({answer.token for row in wanted.task_vector.sweep for answer in row}) > 3


def test_sharing_a_prefix_changes_no_state(model: Model) -> None:
    tokens = token_ids(model, "test")
    several = [[*d, q] for d, q in zip(tokens["dummies"], tokens["query"], strict=True)]
    complete = [
        [prefix + continuation for continuation in continuations]
        for prefix, continuations in zip(tokens["shared"], several, strict=True)
    ]
    shared = learning.last_states(model.decoder, tokens["shared"], several)
    plain = learning.last_states(model.decoder, [EMPTY] * EPISODES, complete)
    for of_shared, of_plain in zip(shared, plain, strict=True):
        assert_close(of_shared, of_plain)


def test_whole_answers_are_those_of_the_reference(
    model: Model, measured: Measured, plain: reference.Reference
) -> None:
    """Few-shot and zero-shot prompts, longer and shorter than a sliding window; without a vector
    and with one after every block."""
    split = complete_prompts(measured.test)[:2]
    prompts = [prompt for episode in split for prompt in (episode.zero_shot, episode.few_shot)]
    chosen = [0, 1, 2, 3, *(layer % len(prompts) for layer in range(DEPTH))]
    layers = [None, None, None, None, *range(DEPTH)]
    vectors = torch.randn(len(chosen), WIDTH, generator=torch.Generator().manual_seed(0))
    given = [[17 + row, 40 + row, 90 + row][: 1 + row % 3] for row in range(len(chosen))]
    cached = application.cache_prompts(model.decoder, prompts)
    patches = Patches(chosen, layers, vectors)
    generated = generate(model.decoder, cached, patches, MOST, STOPS)
    forced = force(model.decoder, cached, patches, given)
    lengths = set()
    for row, (number, layer) in enumerate(zip(chosen, layers, strict=True)):
        patched: tuple[int, Tensor | None] = (0, None) if layer is None else (layer, vectors[row])
        wanted = plain.generate(prompts[number], MOST, STOPS, *patched)
        tokens = [token for token in generated[row].tolist() if token != ENDED]
        decided = [answer.margin >= TOLERANCE for answer in wanted]
        until = decided.index(False) if False in decided else MOST
        assert tokens[:until] == [answer.token for answer in wanted[:until]]
        lengths.add(len(tokens))
        read = [
            plain.answer(prompts[number], *patched, after=given[row][:step]).log_probabilities[
                token
            ]
            for step, token in enumerate(given[row])
        ]
        assert_close(forced["answer_log_probability"][row], torch.stack(read).sum())
        assert_close(forced["first"]["log_probability"][row], read[0])
        assert forced["first"]["margin"][row] == pytest.approx(wanted[0].margin, abs=TOLERANCE)
    assert len(lengths) > 1
    assert torch.equal(forced["first"]["token"], generated[:, 0])
    right = [
        [answer[0], token] for answer, token in zip(given, generated[:, 0].tolist(), strict=True)
    ]
    ranked = force(model.decoder, cached, patches, given, right)["first"]["rank"]
    assert ranked.tolist() == [1] * len(given)
    assert (forced["first"]["rank"] > 1).any()


def assert_close(found: Tensor, wanted: Tensor, tolerance: float = TOLERANCE) -> None:
    torch.testing.assert_close(found, wanted, rtol=0, atol=tolerance)


def assert_same_sweep(measured: Measured, found: Answers, procedure: str) -> None:
    sweep = getattr(measured.wanted, procedure).sweep
    assert found["token"].shape == (EPISODES, DEPTH)
    for layer, wanted in enumerate(sweep):
        assert_same_answers(at(found, layer), wanted, measured.dev)


def assert_same_answers(
    found: Answers, wanted: Sequence[reference.Answer], of: PromptTokens
) -> None:
    tokens = found["token"].tolist()
    assert len(tokens) == len(wanted)
    decided = [index for index, answer in enumerate(wanted) if answer.margin >= TOLERANCE]
    assert [tokens[i] for i in decided] == [wanted[i].token for i in decided]
    log_probabilities = [
        answer.log_probabilities[token]
        for answer, token in zip(wanted, of["expected"], strict=True)
    ]
    assert_close(found["log_probability"], torch.stack(log_probabilities))
    assert_close(found["margin"], torch.tensor([answer.margin for answer in wanted]))
    assert_ranked(found, [answer.log_probabilities for answer in wanted], of, TOLERANCE)


def assert_same_scores(
    found: Answers,
    wanted: Sequence[reference.Answer],
    icl: Sequence[reference.Answer],
    of: PromptTokens,
) -> None:
    distributions = [[one.log_probabilities for one in of] for of in (wanted, icl)]
    gaps, divergences = gaps_and_divergences(
        *distributions, of["expected"], accepted=of["accepted"]
    )
    assert_close(found["gap"], torch.tensor(gaps))
    assert_close(found["divergence"], torch.tensor(divergences))
