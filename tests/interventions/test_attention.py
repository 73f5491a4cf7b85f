"""Attention heads that cannot be told apart, and heads, prompts and values that are refused."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import transformers
from nnsight import TransformersModel
from torch import Tensor

from tests.helpers.tiny_models import RANDOM_SHAPE, configuration, tokenizer
from tvsight.errors import MeasurementError, UsageError
from tvsight.interventions import heads, traces
from tvsight.interventions.application import CachedPrompts, cache_prompts, unpatched_states
from tvsight.interventions.attention import PROJECTIONS
from tvsight.interventions.decoder import ALIASES, Decoder, adapt
from tvsight.models.random import random_llama

DEPTH, HEADS = RANDOM_SHAPE["num_hidden_layers"], RANDOM_SHAPE["num_attention_heads"]
SIZE = RANDOM_SHAPE["hidden_size"]
HEAD_WIDTH = SIZE // HEADS
PROMPTS = [[5, 6, 7], [8, 9]]
VALUES = torch.ones(DEPTH, HEADS, HEAD_WIDTH)
NOT_APART = {
    "no projection at a known path": (
        "GPTNeoConfig",
        {"num_layers": 2, "attention_types": [[["global"], 2]]},
    ),
    "a projection that is not called": (
        "BloomConfig",
        {"n_layer": 2, "slow_but_exact": True, "pretraining_tp": 2},
    ),
}
"""Architectures with a residual stream at a known place, whose heads are not."""

WHY = {
    "no projection at a known path": (
        f"its blocks have no output projection at any of {', '.join(PROJECTIONS)}"
    ),
    "a projection that is not called": (
        "its blocks use the weights of self_attention.dense without calling it as a module"
    ),
}
"""The reason that each is refused with."""


@pytest.fixture(scope="module")
def cached(decoder: Decoder) -> CachedPrompts:
    return cache_prompts(decoder, PROMPTS)


@pytest.fixture(scope="module")
def replace(decoder: Decoder, cached: CachedPrompts) -> Callable[..., Tensor]:
    """`heads.with_heads_replaced` of the prompts, with other arguments."""
    return partial(heads.with_heads_replaced, decoder, cached, unpatched_states(decoder, cached))


def without_heads(name: str, **options: Any) -> Decoder:
    config = configuration(name, hidden_size=32, num_attention_heads=4, **options)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    given = {"task": "text-generation", "tokenizer": tokenizer()}
    return adapt(TransformersModel(model, rename=ALIASES, **given))


def assert_refused(decoder: Decoder, name: str, why: str) -> None:
    """Everything that is done to heads is refused, and residual streams are read."""
    cached = cache_prompts(decoder, PROMPTS)
    unpatched = unpatched_states(decoder, cached)
    assert unpatched.shape == (len(PROMPTS), decoder.depth, decoder.width)
    prefixes = cached.groups[0][1].rows([0, 0])
    values = torch.ones(decoder.depth, 4, 8)
    for use in (
        lambda: heads.last_heads(decoder, cached),
        lambda: heads.with_heads_replaced(decoder, cached, unpatched, [0], [[(0, 0)]], values),
        lambda: heads.contributions(decoder, values),
        lambda: traces.read_heads(decoder, prefixes, [7, 7]),
    ):
        with pytest.raises(UsageError) as refused:
            use()
        assert str(refused.value) == (f"The attention heads of {name} cannot be told apart: {why}.")


@pytest.mark.parametrize("case", NOT_APART)
def test_a_model_whose_heads_cannot_be_told_apart_is_refused_where_they_are_used(case: str) -> None:
    name, options = NOT_APART[case]
    decoder = without_heads(name, **options)
    assert_refused(decoder, name.replace("Config", "ForCausalLM"), WHY[case])


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (HEADS - 1, f"the input of self_attn.o_proj, {SIZE} numbers, is no multiple of 3 heads"),
        (0, "its configuration names no number of attention heads"),
    ],
)
def test_heads_whose_number_does_not_divide_their_size_cannot_be_told_apart(
    number: int, why: str
) -> None:
    decoder = random_llama(RANDOM_SHAPE, "cpu", torch.float32)
    decoder.nn.config.num_attention_heads = number
    assert_refused(adapt(decoder.nn), "LlamaForCausalLM", why)


@pytest.mark.parametrize(
    "head",
    [*((0, HEADS), (DEPTH, 0), (-1, 0), (0, -1), (0, 1.0), (True, 0), (0, "1"), (0,), 3)],
    ids=repr,
)
def test_what_is_no_head_is_not_replaced(
    decoder: Decoder, cached: CachedPrompts, replace: Callable[..., Tensor], head: Any
) -> None:
    told = f"^head: expected a block, 0 to {DEPTH - 1}, and a head in it, 0 to {HEADS - 1}, got "
    refused = partial(pytest.raises, UsageError, match=told)
    with refused():
        replace([0, 1], [[(1, 1)], [(2, 2), head]], VALUES)


def test_a_patch_replaces_something_of_a_prompt_that_is_there(
    replace: Callable[..., Tensor],
) -> None:
    with pytest.raises(
        UsageError, match=r"^heads: expected at least one head for each patch, got "
    ):
        replace([0, 1], [[(0, 0)], []], VALUES)
    told = r"^chosen: expected a prompt of range\(0, 2\) for each patch, got list "
    for chosen in ([0, 2], [0, -1], [0], []):
        with pytest.raises(UsageError, match=told):
            replace(chosen, [[(0, 0)], [(1, 1)]], VALUES)


def test_values_of_another_form_are_refused(
    decoder: Decoder, replace: Callable[..., Tensor]
) -> None:
    told = rf"expected floating-point numbers \[{DEPTH}, {HEADS}, {HEAD_WIDTH}\], a value for every"
    for values in (VALUES[..., :1], VALUES[:, :1], VALUES[:, 0], VALUES.long()):
        with pytest.raises(UsageError, match=f"^values: {told}"):
            replace([0], [[(1, 1)]], values)
        with pytest.raises(UsageError, match=f"^heads: {told}"):
            heads.contributions(decoder, values)
    values = VALUES.clone()
    values[1, 2, 3] = torch.nan
    for use in (
        lambda: replace([0], [[(0, 0)]], values),
        lambda: heads.contributions(decoder, values),
    ):
        with pytest.raises(MeasurementError, match="NaN or infinity"):
            use()
