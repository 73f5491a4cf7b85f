"""The measurements, against plain PyTorch: one prompt at a time, whole, through module hooks."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.helpers.method_prompts import EPISODES, few_shot, method_prompts
from tests.helpers.reads import TOLERANCE, assert_answered
from tests.helpers.reference_heads import HeadsReference
from tests.helpers.tiny_models import DEPTH, HEADS, WIDTH
from tvsight.execution.here import run
from tvsight.experiments.heads.measure import measure, measure_induction
from tvsight.models.loading import Model, load
from tvsight.models.random import random_llama
from tvsight.prompts import PromptTokens
from tvsight.protocol.conditions import at

FAMILY = "gemma3"
SETS = [[(0, 1)], [(4, 3), (1, 0), (1, 2)], [(2, head) for head in range(HEADS)]]
BEGIN, TOKENS = 3, 6
COPIES = [(TOKENS, 2), (TOKENS, 4)]


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Callable[[str], Path]) -> Model:
    return load(str(tiny_checkpoint(FAMILY)), device="cpu")


@pytest.fixture(scope="module")
def reference(tiny_checkpoint: Callable[[str], Path]) -> HeadsReference:
    return HeadsReference(tiny_checkpoint(FAMILY))


@pytest.fixture(scope="module")
def test_prompts(model: Model) -> PromptTokens:
    return method_prompts(model).test


def said(times: int) -> list[list[int]]:
    drawn = torch.randint(5, 300, (2, TOKENS), generator=torch.Generator().manual_seed(times))
    return [[1] * BEGIN + words * times for words in drawn.tolist()]


def test_induction_is_the_attention_to_what_followed_each_earlier_copy(
    model: Model, tiny_checkpoint: Callable[[str], Path]
) -> None:
    checkpoint = tiny_checkpoint(FAMILY)
    plain = AutoModelForCausalLM.from_pretrained(checkpoint, attn_implementation="eager").eval()
    given = [{"prompts": said(times)} for _, times in COPIES]
    found = run(model.decoder, measure_induction, *given, COPIES, remote="local")
    for scores, of, (_, times) in zip(found, given, COPIES, strict=True):
        for sequence, prompt in zip(scores, of["prompts"], strict=True):
            with torch.no_grad():
                read = plain(torch.tensor([prompt]), output_attentions=True).attentions
            for block, attention in enumerate(read):
                total = torch.zeros(HEADS)
                for copy in range(1, times):
                    for place in range(TOKENS):
                        query = BEGIN + copy * TOKENS + place
                        for earlier in range(copy):
                            key = BEGIN + earlier * TOKENS + place + 1
                            total += attention[0, :, query, key]
                mean = total / (TOKENS * (times - 1))
                torch.testing.assert_close(sequence[block], mean, atol=1e-5, rtol=0)
        assert scores.isfinite().all()
        assert (scores > 0).any()


def test_each_set_of_heads_is_replaced_by_its_means(
    model: Model, reference: HeadsReference, test_prompts: PromptTokens
) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, DEPTH, HEADS, WIDTH // HEADS, generator=generator)
    found = run(model.decoder, measure, test_prompts, SETS, values, remote="local")
    assert found["ablated"]["token"].shape == (EPISODES, 2 * len(SETS))
    prompts = few_shot(test_prompts)
    icl = found["icl"]["answers"]
    assert_answered(reference, icl, [reference.answer(one) for one in prompts], test_prompts)
    for number, (means, heads) in enumerate(product(values, SETS)):
        expected = [reference.answer_with(prompt, heads, means) for prompt in prompts]
        read = at(found["ablated"], number)
        assert_answered(reference, read, expected, test_prompts)
        assert ((read["log_probability"] - icl["log_probability"]).abs() > 10 * TOLERANCE).all()


def test_heads_replaced_by_themselves_change_nothing(
    model: Model, test_prompts: PromptTokens
) -> None:
    means = torch.zeros(1, DEPTH, HEADS, WIDTH // HEADS)
    found = run(model.decoder, measure, test_prompts, SETS, means)
    first, no_op = (one["answers"]["log_probability"] for one in found["check"])
    assert torch.equal(first, found["icl"]["answers"]["log_probability"][:1])
    torch.testing.assert_close(no_op, first, atol=TOLERANCE, rtol=0)


def test_a_rehearsal_has_one_small_head_in_a_block(test_prompts: PromptTokens) -> None:
    shape = {"num_hidden_layers": DEPTH, "num_attention_heads": 1, "num_key_value_heads": 1}
    shape |= {"hidden_size": WIDTH, "head_dim": 2, "intermediate_size": 2, "vocab_size": 500}
    means = torch.zeros(1, DEPTH, 1, 2)
    sets = [[(layer, 0) for layer, _ in of_set] for of_set in SETS]
    found = run(random_llama(shape), measure, test_prompts, sets, means)
    assert found["ablated"]["token"].shape == (EPISODES, len(SETS))
