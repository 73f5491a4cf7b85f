"""Renamed labels against plain PyTorch."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.few_answers import few_answers
from tests.helpers.method_prompts import EXAMPLE, dummies, few_shot
from tests.helpers.reads import answers_of, assert_answered
from tests.helpers.reference import Reference
from tests.helpers.tiny_models import DEPTH
from tvsight.execution.here import run
from tvsight.experiments.controls.renamed_measure import measure
from tvsight.models.loading import load
from tvsight.prompts import Sampling, sample_episodes, tokenise, usable_pairs
from tvsight.prompts.shuffling import renamed_labels, renaming
from tvsight.prompts.tokens import PromptTokens
from tvsight.protocol.conditions import at

EPISODES = 6
KINDS = ("right", "renamed", "absent")

Given = dict[str, dict[str, PromptTokens]]


@pytest.fixture(scope="module")
def reference(tiny_checkpoint: Callable[[str], Path]) -> Reference:
    return Reference(tiny_checkpoint("qwen2"))


@pytest.fixture(scope="module")
def given(tiny_checkpoint: Callable[[str], Path]) -> Given:
    """The prompts of each split and kind. Of every kind half of the letters are accepted."""
    model, task = load(str(tiny_checkpoint("qwen2")), device="cpu"), few_answers()
    usable = usable_pairs(task, model.tokenizer, EXAMPLE, model.name)
    episodes = sample_episodes(
        task.name, usable, Sampling(shots=3, dummy_queries=2, per_split=EPISODES, seed=0)
    )
    names, rng = renaming("XYZ", "0"), random.Random(0)
    shown = {
        "right": episodes,
        "renamed": [renamed_labels(episode, names) for episode in episodes],
        "absent": [renamed_labels(episode, names) for episode in episodes[::-1]],
    }
    found: Given = {}
    for number, split in enumerate(("dev", "test")):
        place = slice(number * EPISODES, (number + 1) * EPISODES)
        found[split] = {k: tokenise(model, shown[k][place], "exact", EXAMPLE) for k in KINDS}
        found[split]["absent"]["zero_shot"] = found[split]["right"]["zero_shot"]
        for prompts in found[split].values():
            prompts["accepted"] = [
                sorted(rng.sample(range(len(model.vocabulary.texts)), 100)) for _ in range(EPISODES)
            ]
    return found


@pytest.fixture(scope="module")
def found(tiny_checkpoint: Callable[[str], Path], given: Given) -> Any:
    dev, test = given["dev"], given["test"]
    decoder = load(str(tiny_checkpoint("qwen2")), device="cpu").decoder
    prompts = (dev["right"], dev["renamed"], *test.values())
    here = run(decoder, measure, *prompts)
    there = run(decoder, measure, *prompts, remote="local")
    for kind, reads in here.items():
        for one, other in zip(reads, there[kind], strict=True):
            torch.testing.assert_close(other.pop("answers"), one["answers"])
            assert {**other, "answers": one["answers"]} == one
    return here


def vectors(reference: Reference, prompts: PromptTokens) -> Tensor:
    """θ of every episode, `[episodes, depth, width]`, one prompt at a time."""
    streams = [torch.stack(list(map(reference.residual_streams, d))) for d in dummies(prompts)]
    return torch.stack([of.mean(dim=0) for of in streams])


def best(reference: Reference, dev: PromptTokens) -> int:
    right = [0] * DEPTH
    for prompt, vector, accepted in zip(
        dev["zero_shot"], vectors(reference, dev), dev["accepted"], strict=True
    ):
        for block in range(DEPTH):
            right[block] += reference.answer(prompt, block, vector[block]).token in accepted
    return right.index(max(right))


def test_every_reader_answers_as_the_reference_does_and_is_scored_both_ways(
    reference: Reference, given: Given, found: Any
) -> None:
    test, layers = given["test"], {k: best(reference, given["dev"][k]) for k in KINDS[:2]}
    for kind in ("right", "renamed"):
        assert len(found[kind]) == 1 + 3 + 3 * 2
        zero_shot = [reference.answer(prompt) for prompt in test["right"]["zero_shot"]]
        baseline = answers_of(found[kind], "baseline", demonstrations=None, layer_rule=None)
        assert_answered(reference, baseline, zero_shot, test[kind])
        for name, prompts in test.items():
            icl = answers_of(found[kind], "icl", demonstrations=name, layer_rule=None)
            wanted = list(map(reference.answer, few_shot(prompts)))
            assert_answered(reference, icl, wanted, test[kind])
            own = vectors(reference, prompts)
            for rule, block in layers.items():
                read = answers_of(found[kind], "task_vector", demonstrations=name, layer_rule=rule)
                queries = zip(test["right"]["zero_shot"], own[:, block], strict=True)
                wanted = [reference.answer(prompt, block, vector) for prompt, vector in queries]
                assert_answered(reference, at(read, 0), wanted, test[kind])


def test_each_rule_chooses_the_block_by_its_own_answers(
    reference: Reference, given: Given, found: Any
) -> None:
    for rule in ("right", "renamed"):
        block = best(reference, given["dev"][rule])
        for kind, reads in found.items():
            blocks = [r["blocks"] for r in reads if r["labels"]["layer_rule"] == rule]
            assert blocks == [[block]] * 3, kind
