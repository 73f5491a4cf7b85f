"""Attention heads of every architecture family, by tvsight and by an independent reference."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from tests.helpers import tiny_models
from tests.helpers.phrases import complete_prompts, token_ids
from tests.helpers.reference_heads import NORMS, HeadsReference
from tests.helpers.tiny_models import DEPTH, EVERY_FAMILY, HEADS, WIDTH
from tvsight.execution import here
from tvsight.interventions import application, heads
from tvsight.interventions.application import cache_prompts, unpatched_states
from tvsight.interventions.attention import Head
from tvsight.interventions.decoder import Decoder
from tvsight.models.loading import Model, load

TOLERANCE = 1e-4
"""Of heads, states, log-probabilities, and what is written to the residual stream."""
WIDE = 2 * WIDTH // HEADS
"""A size of heads that are wider together than the residual stream, as in Gemma 3 and Qwen3."""
CHANGES = {
    "gemma3_wide": ("gemma3", {"head_dim": WIDE, "query_pre_attn_scalar": WIDE}),
    "qwen3_wide": ("qwen3", {"head_dim": WIDE}),
}
SMALL = 1e-4
"""A factor for heads beside which the constant of a norm is large."""
ONE_LAYER, ALL_LAYERS = 1, 1024
"""Rows per forward that keep patches of different blocks apart, or put them together."""
PATCHES: tuple[list[Head], ...] = (
    [(0, 1)],
    [(DEPTH // 2, 3)],
    [(DEPTH - 1, 0)],
    [(1, 0), (1, 3)],
    [(4, 1), (0, 2), (3, 2), (3, 0)],
    [(layer, head) for layer in range(1, DEPTH) for head in range(HEADS)],
)
"""One head in the first, a middle and the last block; several in a block, in some, in most."""


class Patched(NamedTuple):
    """Every prompt, with every one of `PATCHES`."""

    chosen: list[int]
    heads: list[list[Head]]
    values: Tensor
    """`[depth, heads, head_width]`."""
    wanted: Tensor
    """Log-probabilities by the reference, `[patches, vocabulary]`."""
    without: Tensor
    """The same of the prompts as they are."""


@pytest.fixture(
    scope="module",
    params=[*EVERY_FAMILY, *(pytest.param(name, marks=pytest.mark.slow) for name in CHANGES)],
)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def checkpoint(
    family: str, tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    if family not in CHANGES:
        return tiny_checkpoint(family)
    base, changes = CHANGES[family]
    return tiny_models.build(base, tmp_path_factory.mktemp("wide") / family, **changes)


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Model:
    return load(str(checkpoint), device="cpu")


@pytest.fixture(scope="module")
def reference(checkpoint: Path) -> HeadsReference:
    return HeadsReference(checkpoint)


@pytest.fixture(scope="module")
def prompts(model: Model) -> list[list[int]]:
    """Prompts of unequal length with several last tokens, short and long ones in turn."""
    complete = complete_prompts(token_ids(model, "test"))[:3]
    prompts = [
        ids[: len(ids) - shorter]
        for shorter, of_one in zip((2, 1, 0), complete, strict=True)
        for ids in (of_one.zero_shot, of_one.few_shot)
    ]
    assert len(set(map(len, prompts))) > 3
    assert len({prompt[-1] for prompt in prompts}) > 2
    return prompts


@pytest.fixture(scope="module")
def wanted_heads(reference: HeadsReference, prompts: list[list[int]]) -> Tensor:
    """`[prompts, depth, heads, head_width]`."""
    return torch.stack([reference.last_heads(prompt) for prompt in prompts])


@pytest.fixture(scope="module")
def patched(reference: HeadsReference, prompts: list[list[int]], wanted_heads: Tensor) -> Patched:
    values = 2 * wanted_heads.mean(dim=0).flip(0)
    places = [(row, of_patch) for of_patch in PATCHES for row in range(len(prompts))]
    answers = [reference.answer_with(prompts[row], replaced, values) for row, replaced in places]
    of_prompts = [reference.answer(prompt) for prompt in prompts]
    plain = [of_prompts[row] for row, _ in places]
    return Patched(
        [row for row, _ in places],
        [of_patch for _, of_patch in places],
        values,
        torch.stack([answer.log_probabilities for answer in answers]),
        torch.stack([answer.log_probabilities for answer in plain]),
    )


def test_the_heads_of_a_family_are_told_apart(family: str, model: Model) -> None:
    attention = model.decoder.attention
    wide = WIDE if family in CHANGES else WIDTH // HEADS
    assert (attention.depth, attention.heads, attention.head_width) == (DEPTH, HEADS, wide)


def test_heads_are_those_of_the_reference(
    model: Model, prompts: list[list[int]], wanted_heads: Tensor
) -> None:
    found = here.run(model.decoder, last_heads, prompts)
    assert_close(found, wanted_heads)


def test_answers_with_heads_replaced_are_those_of_the_reference(
    model: Model, prompts: list[list[int]], patched: Patched, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rows_per_forward in (ONE_LAYER, ALL_LAYERS):
        monkeypatch.setattr(application, "rows_per_forward", lambda *_, rows=rows_per_forward: rows)
        final = here.run(
            model.decoder, states_with, prompts, patched.chosen, patched.heads, patched.values
        )
        found = model.decoder.unembed(final).log_softmax(dim=-1)
        assert_close(found, patched.wanted)
    moved = (patched.wanted - patched.without).abs().amax(dim=1)
    assert (moved > 10 * TOLERANCE).all()  # so that a wrong one shows


def test_a_head_writes_what_its_part_of_the_projection_makes_of_it(
    model: Model, reference: HeadsReference, wanted_heads: Tensor
) -> None:
    mean = wanted_heads.mean(dim=0)
    sizes = torch.tensor([1.0, SMALL, 0.0, 1.0])[:, None]
    for values in (wanted_heads[0], sizes * mean):
        for normalised in (False, True):
            found = here.run(model.decoder, heads.contributions, values, normalised=normalised)
            wanted = reference.contributions(values, normalised)
            assert_close(found / wanted.abs().max(), wanted / wanted.abs().max())


def test_what_heads_write_sums_to_the_output_of_their_attention_and_what_arrives_is_added(
    model: Model, reference: HeadsReference, prompts: list[list[int]], wanted_heads: Tensor
) -> None:
    normalises = reference.kind in NORMS
    assert model.decoder.attention.normalises_output == normalises
    for prompt, of_prompt in list(zip(prompts, wanted_heads, strict=True))[:3]:
        raw = here.run(model.decoder, heads.contributions, of_prompt)
        arrived = here.run(model.decoder, heads.contributions, of_prompt, normalised=True)
        assert_close(raw.sum(dim=1) + reference.biases(), reference.attention_outputs(prompt))
        assert_close(arrived.sum(dim=1) + reference.biases(), reference.added(prompt))
        # Elsewhere they arrive as they are.
        assert torch.equal(arrived, raw) != normalises


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gpt2", "gemma2", "gemma3", "olmo2"], indirect=True)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_in_half_precision_heads_write_the_same_up_to_rounding(
    dtype: str, checkpoint: Path, reference: HeadsReference, wanted_heads: Tensor
) -> None:
    decoder = load(str(checkpoint), device="cpu", dtype=dtype).decoder
    mean = wanted_heads.mean(dim=0)
    for normalised in (False, True):
        found = here.run(decoder, heads.contributions, mean, normalised=normalised)
        assert found.dtype == decoder.dtype
        wanted = reference.contributions(mean, normalised)
        error = (found.float() - wanted).norm() / wanted.norm()
        assert error < 2 * torch.finfo(decoder.dtype).eps


@pytest.mark.parametrize("family", ["gemma3"], indirect=True)
def test_a_simulated_server_gives_the_heads_and_states_of_this_process(
    model: Model, prompts: list[list[int]], patched: Patched
) -> None:
    decoder = model.decoder
    for function, *arguments in (
        (last_heads, prompts),
        (heads.contributions, patched.values),
        (states_with, prompts, patched.chosen, patched.heads, patched.values),
    ):
        locally = here.run(decoder, function, *arguments)
        there = here.run(decoder, function, *arguments, remote="local")
        torch.testing.assert_close(there, locally, rtol=0, atol=0)


def last_heads(decoder: Decoder, prompts: Sequence[Sequence[int]]) -> Tensor:
    return heads.last_heads(decoder, cache_prompts(decoder, prompts))


def states_with(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    chosen: Sequence[int],
    replaced: Sequence[Sequence[Head]],
    values: Tensor,
) -> Tensor:
    """The states after the last block with heads replaced, `[patches, width]`."""
    cached = cache_prompts(decoder, prompts)
    unpatched = unpatched_states(decoder, cached)
    return heads.with_heads_replaced(decoder, cached, unpatched, chosen, replaced, values)


def assert_close(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=0, atol=TOLERANCE)
