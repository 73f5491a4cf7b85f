"""Learned vectors, against plain transformers with a hook and `torch.optim`."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, cast

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy as plain_cross_entropy

from tests.helpers.method_prompts import method_prompts
from tests.helpers.reference import Reference, hooked
from tests.helpers.tiny_models import DEPTH, EVERY_FAMILY, WIDTH
from tvsight.errors import MeasurementError
from tvsight.execution.here import run
from tvsight.interventions import batching
from tvsight.interventions.answers import Icl, scores
from tvsight.interventions.decoder import Decoder
from tvsight.methods import METHODS, learned_vector
from tvsight.methods.learned_vector import (
    Place,
    Queries,
    Trained,
    Training,
    ZeroShot,
    answer_loss,
    cross_entropy,
    divided,
    icl_loss,
    train,
)
from tvsight.methods.method import extract
from tvsight.models.loading import Model, load
from tvsight.prompts.tokens import PromptTokens

STEPS = 10
TRAINING = Training(STEPS, batch=8, rate=0.3)
PLACES = [Place(0, "overwrite"), Place(2, "overwrite"), Place(2, "add"), Place(DEPTH - 1, "add")]


class Case(NamedTuple):
    model: Model
    plain: Reference
    dev: PromptTokens


@pytest.fixture(scope="module", params=EVERY_FAMILY)
def case(request: pytest.FixtureRequest, tiny_checkpoint: Callable[[str], Path]) -> Case:
    checkpoint = tiny_checkpoint(request.param)
    model = load(str(checkpoint), device="cpu")
    return Case(model, Reference(checkpoint), method_prompts(model).dev)


def trained(
    decoder: Decoder,
    dev: PromptTokens,
    places: list[Place],
    starts: Tensor,
    queries: Queries | None = None,
    progress: None = None,
) -> Trained:
    """Ten steps on all queries, unless others are named."""
    asked = ZeroShot(decoder, dev["zero_shot"])
    every = Queries(list(range(len(dev["zero_shot"]))), [])
    loss = answer_loss(decoder, dev["expected"])
    return train(asked, places, starts, loss, queries or every, TRAINING)


def starts_of(dev: PromptTokens, places: list[Place] = PLACES) -> Tensor:
    drawn = torch.randn(len(places), WIDTH, generator=torch.Generator().manual_seed(1))
    return torch.stack(
        [
            of if place.use == "overwrite" else 0 * of
            for of, place in zip(drawn, places, strict=True)
        ]
    )


def plain_losses(case: Case, place: Place, start: Tensor) -> tuple[list[float], Tensor]:
    """The losses of each step, one whole prompt at a time, and the vector that was learned."""
    prompts, tokens = case.dev["zero_shot"], case.dev["expected"]
    states = torch.stack([case.plain.residual_streams(of)[place.block] for of in prompts])
    scale, moved = states.std(dim=0, correction=0), torch.zeros(WIDTH, requires_grad=True)
    optimiser = torch.optim.Adam([moved], lr=TRAINING.rate)
    falling = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / STEPS)
    losses = []
    for _ in range(STEPS):
        vector, found = start + scale * moved, []

        def patch(states: Tensor, vector: Tensor = vector) -> None:
            before = states[0, -1].clone() if place.use == "add" else 0
            states[0, -1] = before + vector

        for prompt, token in zip(prompts, tokens, strict=True):
            with hooked([case.plain.blocks[place.block]], patch):
                logits = case.plain._logits(prompt)[-1:]
            found.append(plain_cross_entropy(logits, torch.tensor([token])))
        loss = torch.stack(found).mean()
        losses.append(loss.item())
        (moved.grad,) = torch.autograd.grad(loss, moved)
        optimiser.step()
        falling.step()
    return losses, (start + scale * moved).detach()


def test_losses_are_those_of_plain_transformers_and_torch_optim(case: Case) -> None:
    starts = starts_of(case.dev)
    before = {name: of.clone() for name, of in case.model.decoder.nn._module.named_parameters()}
    found = run(case.model.decoder, trained, case.dev, PLACES, starts)
    for number, place in enumerate(PLACES):
        losses, vector = plain_losses(case, place, starts[number])
        assert losses[-1] < losses[0] - 1e-2
        for step, loss in zip(found.losses, losses, strict=True):
            assert step[number] == pytest.approx(loss, abs=1e-4)
        torch.testing.assert_close(found.vectors[number], vector, atol=1e-3, rtol=1e-3)
    for name, parameter in case.model.decoder.nn._module.named_parameters():
        assert parameter.grad is None
        assert torch.equal(parameter, before[name])


def test_a_server_finds_the_same_vectors(case: Case) -> None:
    starts = starts_of(case.dev)
    here, there = (
        run(case.model.decoder, trained, case.dev, PLACES, starts, remote=where)
        for where in (False, "local")
    )
    torch.testing.assert_close(here.vectors, there.vectors, atol=1e-3, rtol=1e-3)
    assert (here.vectors - starts).abs().max() > 1e-2


def test_a_vector_is_what_it_would_be_alone(case: Case) -> None:
    starts = starts_of(case.dev)
    together = run(case.model.decoder, trained, case.dev, PLACES, starts)
    alone = run(case.model.decoder, trained, case.dev, PLACES[2:3], starts[2:3])
    torch.testing.assert_close(together.vectors[2:3], alone.vectors, atol=1e-3, rtol=1e-3)


def test_the_vectors_are_those_that_were_best_on_held_out_queries(case: Case) -> None:
    queries, starts = divided(case.dev), starts_of(case.dev)
    found = run(case.model.decoder, trained, case.dev, PLACES, starts, queries)
    assert torch.equal(starts, starts_of(case.dev))
    losses = run(case.model.decoder, losses_of, case.dev, PLACES, found.vectors, queries.held_out)
    torch.testing.assert_close(losses, found.held_out, atol=1e-4, rtol=1e-4)
    first = run(case.model.decoder, losses_of, case.dev, PLACES, starts, queries.held_out)
    assert (found.held_out <= first + 1e-4).all()


def losses_of(
    decoder: Decoder,
    dev: PromptTokens,
    places: list[Place],
    vectors: Tensor,
    rows: list[int],
    progress: None = None,
) -> Tensor:
    states = ZeroShot(decoder, dev["zero_shot"]).patched(places, vectors, rows)
    loss = answer_loss(decoder, dev["expected"])(states.flatten(0, 1), rows * len(places))
    return loss.view(len(places), -1).mean(dim=1)


@pytest.mark.parametrize("tile_bytes", [64, 2**22])
def test_cross_entropy_in_tiles_is_that_of_whole_logits(
    case: Case, tile_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "CPU_LOGIT_BYTES", tile_bytes)
    decoder, tokens = case.model.decoder, [3, 40, 3]
    states = 5 * torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(2))
    ours, whole = (states.clone().requires_grad_() for _ in range(2))
    found = cross_entropy(decoder, ours, tokens)
    expected = plain_cross_entropy(decoder.unembed(whole), torch.tensor(tokens), reduction="none")
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    slopes = [torch.autograd.grad(of.sum(), at)[0] for of, at in ((found, ours), (expected, whole))]
    torch.testing.assert_close(*slopes, atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(cross_entropy(decoder, states, tokens), expected.detach())


def test_the_loss_without_labels_is_the_divergence_from_icl(case: Case) -> None:
    decoder, dev = case.model.decoder, case.dev
    drawn = torch.randn(2, len(dev["expected"]), WIDTH, generator=torch.Generator().manual_seed(3))
    icl = Icl(drawn[0], dev["expected"], dev["accepted"])
    found = icl_loss(decoder, icl)(drawn[1], list(range(len(drawn[1]))))
    expected = scores(decoder, drawn[1], dev["expected"], icl)["divergence"]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert icl_loss(decoder, icl)(drawn[0], [0, 1, 2, 3]).abs().max() < 1e-5 < found.max()


def test_the_method_improves_on_the_mean_vector_of_the_task(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A random model generalises to no query, so those that are trained end the training too."""
    every = list(range(len(case.dev["expected"])))
    monkeypatch.setattr(learned_vector, "divided", lambda prompts: Queries(every, every))
    entry = METHODS["learned_vector"]
    method = entry.load()
    assert (method.of, method.use) == ("task", "overwrite")
    found = run(case.model.decoder, extract, case.dev, method, entry.settings)
    start = run(case.model.decoder, extract, case.dev, method.needs["vectors"]).mean(dim=0)
    assert found.shape == (len(every), DEPTH, WIDTH)
    places = [Place(block, "overwrite") for block in range(DEPTH)]
    before, after = (
        run(case.model.decoder, losses_of, case.dev, places, vectors, every)
        for vectors in (start, found[0])
    )
    assert (after < before - 0.1).all()


def test_a_server_that_forbids_gradients_is_named_in_one_line(case: Case) -> None:
    with torch.no_grad(), pytest.raises(MeasurementError) as refused:
        trained(case.model.decoder, case.dev, PLACES, starts_of(case.dev))
    assert str(refused.value) == (
        "gradients are forbidden where the model runs, so no vector can be learned there."
    )


def test_a_fifth_of_the_queries_is_held_out_and_none_is_in_both_parts() -> None:
    prompts = [[number % 20, 5] for number in range(50)]  # the first ten occur three times
    tokens = {"zero_shot": prompts}
    queries = divided(tokens)
    assert sorted(queries.train + queries.held_out) == list(range(50))
    asked = [{tuple(prompts[row]) for row in part} for part in queries]
    assert len(asked[1]) == 4
    assert asked[0].isdisjoint(asked[1])
    assert divided(tokens, 1) != queries


def test_training_ends_where_held_out_queries_gain_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss that grows with every step on what is held out, and falls on what is trained."""

    class Asked:
        states = torch.randn(4, 1, 2, generator=torch.Generator().manual_seed(0))

        def patched(self, places: list[Place], vectors: Tensor, rows: list[int]) -> Tensor:
            return vectors[:, None].expand(-1, len(rows), -1)

    def loss(states: Tensor, rows: list[int]) -> Tensor:
        held_out = torch.tensor([row == 3 for row in rows])
        return torch.where(held_out, -states.sum(dim=1), states.sum(dim=1))

    start = torch.zeros(1, 2)
    asked, places, longer = cast(ZeroShot, Asked()), [Place(0, "add")], TRAINING._replace(steps=60)
    found = train(asked, places, start, loss, Queries([0, 1, 2], [3]), longer)
    assert len(found.losses) == learned_vector.CHECKED_EVERY * (learned_vector.PATIENCE + 1)
    assert torch.equal(found.vectors, start)
    shorter = TRAINING._replace(steps=7)
    found = train(asked, places, start, loss, Queries([0, 1, 2], []), shorter)
    assert len(found.losses) == 7
    assert (found.vectors < -0.1).all()
