"""The measurements, against plain PyTorch: one prompt at a time, whole, through module hooks."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests.helpers.half_accepted import half_accepted
from tests.helpers.reference_scores import gaps_and_divergences
from tests.helpers.tiny_models import DEPTH, HEADS, WIDTH
from tvsight.execution import run
from tvsight.experiments.heads.measure import measure, measure_induction
from tvsight.models.loading import Model, load
from tvsight.models.random import random_llama
from tvsight.prompts import (
    PromptTokens,
    Sampling,
    sample_episodes,
    template,
    tokenise,
    usable_pairs,
)

FAMILY, EPISODES, TOLERANCE = "gemma3", 4, 1e-4
SETS = [[(0, 1)], [(4, 3), (1, 0), (1, 2)], [(2, head) for head in range(HEADS)]]
BEGIN, TOKENS = 3, 6
COPIES = [(TOKENS, 2), (TOKENS, 4)]


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Callable[[str], Path]) -> Model:
    return load(str(tiny_checkpoint(FAMILY)), device="cpu")


@pytest.fixture(scope="module")
def plain(tiny_checkpoint: Callable[[str], Path]) -> Any:
    checkpoint = tiny_checkpoint(FAMILY)
    return AutoModelForCausalLM.from_pretrained(checkpoint, attn_implementation="eager").eval()


@pytest.fixture(scope="module")
def test_prompts(model: Model) -> PromptTokens:
    task, example = half_accepted(), template("example")
    usable = usable_pairs(task, model.tokenizer, example, model.name)
    sampling = Sampling(shots=3, dummy_queries=2, per_split=EPISODES, seed=0)
    sampled = sample_episodes(task.name, usable, sampling)
    return tokenise(model, [e for e in sampled if e.split == "test"], "exact", example)


def said(times: int) -> list[list[int]]:
    drawn = torch.randint(5, 300, (2, TOKENS), generator=torch.Generator().manual_seed(times))
    return [[1] * BEGIN + words * times for words in drawn.tolist()]


def test_induction_is_the_attention_to_what_followed_each_earlier_copy(
    model: Model, plain: Any
) -> None:
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


@contextmanager
def replaced(plain: Any, heads: Sequence[tuple[int, int]], means: Tensor) -> Iterator[None]:
    """While open, heads have their mean at the last token."""
    wide = means.shape[-1]

    def hook(layer: int) -> Callable[..., Any]:
        def before(module: Any, arguments: Any) -> Any:
            states = arguments[0].clone()
            for block, head in heads:
                if block == layer:
                    states[0, -1, head * wide : (head + 1) * wide] = means[layer, head]
            return (states,)

        return before

    handles = [
        block.self_attn.o_proj.register_forward_pre_hook(hook(layer))
        for layer, block in enumerate(plain.model.layers)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def test_each_set_of_heads_is_replaced_by_its_means(
    model: Model, plain: Any, test_prompts: PromptTokens
) -> None:
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(DEPTH, HEADS, WIDTH // HEADS, generator=generator)
    found = run(model.decoder, measure, test_prompts, SETS, means, remote="local")
    assert found["ablated"]["token"].shape == (EPISODES, len(SETS))
    distributions: list[list[Tensor]] = [[] for _ in (None, *SETS)]
    for episode in range(EPISODES):
        prompt = torch.tensor([test_prompts["shared"][episode] + test_prompts["query"][episode]])
        right = test_prompts["expected"][episode]

        def known(heads: Sequence[tuple[int, int]], prompt: Tensor = prompt) -> Tensor:
            with torch.no_grad(), replaced(plain, heads, means):
                return plain(prompt).logits[0, -1].log_softmax(dim=-1)

        icl = known([])
        distributions[0].append(icl)
        assert float(found["icl"]["answers"]["log_probability"][episode]) == pytest.approx(
            float(icl[right]), abs=TOLERANCE
        )
        for number, heads in enumerate(SETS):
            log_probabilities = known(heads)
            distributions[1 + number].append(log_probabilities)
            read = {name: of[episode, number] for name, of in found["ablated"].items()}
            known_as = float(log_probabilities[right])
            assert float(read["log_probability"]) == pytest.approx(known_as, abs=TOLERANCE)
            assert read["token"] == log_probabilities.argmax()
            assert abs(known_as - float(icl[right])) > 10 * TOLERANCE
    for number, of_set in enumerate(distributions[1:]):
        scores = gaps_and_divergences(
            of_set, distributions[0], test_prompts["expected"], accepted=test_prompts["accepted"]
        )
        for name, wanted in zip(("gap", "divergence"), scores, strict=True):
            values = found["ablated"][name][:, number].tolist()
            assert values == pytest.approx(wanted, abs=TOLERANCE)


def test_heads_replaced_by_themselves_change_nothing(
    model: Model, test_prompts: PromptTokens
) -> None:
    means = torch.zeros(DEPTH, HEADS, WIDTH // HEADS)
    found = run(model.decoder, measure, test_prompts, SETS, means)
    first, no_op = (one["answers"]["log_probability"] for one in found["check"])
    assert torch.equal(first, found["icl"]["answers"]["log_probability"][:1])
    torch.testing.assert_close(no_op, first, atol=TOLERANCE, rtol=0)


def test_a_rehearsal_has_one_small_head_in_a_block(test_prompts: PromptTokens) -> None:
    shape = {"num_hidden_layers": DEPTH, "num_attention_heads": 1, "num_key_value_heads": 1}
    shape |= {"hidden_size": WIDTH, "head_dim": 2, "intermediate_size": 2, "vocab_size": 500}
    means = torch.zeros(DEPTH, 1, 2)
    sets = [[(layer, 0) for layer, _ in of_set] for of_set in SETS]
    found = run(random_llama(shape), measure, test_prompts, sets, means)
    assert found["ablated"]["token"].shape == (EPISODES, len(SETS))
