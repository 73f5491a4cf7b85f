"""Measure {extracted, learned} × {written over, added} on one task.

The extracted vector of a task is the mean θ of its dev episodes. Where vectors are added, the mean
state of zero-shot prompts is subtracted from it: both operations then aim at one state. Learned
vectors start at the mean θ, or at zero where they are added, and are trained on four fifths of the
dev queries; the others end the training, and choose the block by their loss.

Controls: a vector learned on answers that are permuted among the queries, after the block chosen
with right ones, and random directions of the learned vector's length.
"""

from collections.abc import Sequence
from typing import Any, TypedDict

import torch
from torch import Tensor

from tvsight.interventions.answers import answers
from tvsight.interventions.decoder import Decoder
from tvsight.methods.learned_vector import (
    Loss,
    Place,
    Queries,
    Training,
    ZeroShot,
    answer_loss,
    divided,
    icl_loss,
    train,
)
from tvsight.methods.method import Use
from tvsight.prompts.tokens import PromptTokens
from tvsight.protocol.conditions import (
    BASELINE,
    Condition,
    Progress,
    Prompts,
    Read,
    no_op,
    read_states,
    silent,
)
from tvsight.protocol.measure import best_layer, correct_by_block, extract_with_icl

USES: tuple[Use, ...] = ("overwrite", "add")
PLAIN = {"operation": None, "loss": None}


class LearnedAnswers(TypedDict):
    """Everything that is measured of one task. Labels are `operation`, `loss` and, on test, whether
    the block is the `chosen` one. Those of learned vectors are also `steps`; `fitted`, the share of
    the training queries that are answered as trained; `cosine` and `norm_ratio` of the change of
    the mean zero-shot state to that of the extracted vector."""

    dev: list[Read]
    """`baseline`, `no_op`; `task_vector` and `own_mean` after every block."""
    test: list[Read]
    """`baseline`, `icl`; `task_vector` after its block, `own_mean` after every block,
    `learned_vector` wherever it was trained, and `random_vector` after its chosen block."""


def measure(
    decoder: Decoder,
    dev: PromptTokens,
    test: PromptTokens,
    count: int,
    training: Training,
    seed: int,
    progress: Progress | None = None,
) -> LearnedAnswers:
    """Measure one task in one job.

    Args:
        count: blocks after which vectors are trained.
    """
    say = progress or silent
    say("demonstrations")
    on_dev, on_test = extract_with_icl(decoder, dev), extract_with_icl(decoder, test)
    asked, queries = ZeroShot(decoder, dev["zero_shot"]), divided(dev, seed)
    mean = on_dev.vectors["task_vector"].float().mean(dim=0)
    unpatched = asked.states.float().mean(dim=0)
    change = mean - unpatched
    extracted = {"overwrite": mean, "add": change}
    every = range(decoder.depth)
    swept = Prompts(decoder, dev["zero_shot"], dev["expected"], on_dev.icl).read(
        [
            BASELINE.labelled(**PLAIN),
            no_op([decoder.depth // 2], **PLAIN),
            _condition("task_vector", on_dev.vectors["task_vector"], every, "overwrite"),
            *(_condition("own_mean", extracted[use], every, use) for use in USES),
        ]
    )
    own, *means = [read["answers"] for read in swept[2:]]
    best = best_layer(own, dev["accepted"])
    conditions = [
        _condition("task_vector", on_test.vectors["task_vector"], [best], "overwrite", chosen=True)
    ]
    places = []
    for use, read in zip(USES, means, strict=True):
        correct, best = correct_by_block(read, dev["accepted"]), best_layer(read, dev["accepted"])
        places += [Place(block, use) for block in _sampled(correct, count)]
        conditions += [
            _condition("own_mean", extracted[use], [block], use, chosen=block == best)
            for block in every
        ]

    def learn(
        name: str, loss: Loss, wanted: Sequence[int], places: Sequence[Place], of: Queries
    ) -> list[Condition]:
        """Train a vector for each place."""

        def heard(text: str) -> None:
            say(f"learning from {name}: {text}")

        starts = torch.stack([mean[block] * (use == "overwrite") for block, use in places])
        found = train(asked, places, starts, loss, of, training, seed, heard)
        states = asked.patched(places, found.vectors, of.train).flatten(0, 1)
        tokens = [wanted[row] for row in of.train] * len(places)
        right = answers(decoder, states, tokens)["token"] == torch.tensor(tokens)
        fitted = right.view(len(places), -1).double().mean(dim=1).tolist()
        losses = found.held_out.tolist()
        chosen = {
            use: min((losses[n], n) for n, place in enumerate(places) if place.use == use)[1]
            for use in USES
        }
        learned = []
        for number, (block, use) in enumerate(places):
            vector = found.vectors[number]
            changed = vector - unpatched[block] * (use == "overwrite")
            labels = {
                "loss": name,
                "chosen": number == chosen[use],
                "steps": sum(number in step for step in found.losses),
                "fitted": fitted[number],
                "cosine": torch.cosine_similarity(changed, change[block], dim=0).item(),
                "norm_ratio": (changed.norm() / change[block].norm()).item(),
            }
            learned.append(_condition("learned_vector", vector, [block], use, **labels))
        return learned

    usual = dev["expected"]
    from_answers = learn("answer", answer_loss(decoder, usual), usual, places, queries)
    kept = [of for of in from_answers if of.labels["chosen"]]
    permuted, every_step = _permuted(dev, queries.train, seed), queries._replace(held_out=[])
    again = [Place(of.blocks[0], of.use) for of in kept]
    conditions += [
        *from_answers,
        *learn("icl", icl_loss(decoder, on_dev.icl), usual, places, queries),
        *learn("permuted", answer_loss(decoder, permuted), permuted, again, every_step),
        *(_random(of, len(test["expected"]), seed) for of in kept),
    ]
    say("test")
    prompts = Prompts(decoder, test["zero_shot"], test["expected"], on_test.icl)
    icl = read_states(decoder, "icl", on_test.icl.states, on_test.icl, **PLAIN)
    return {"dev": swept, "test": [*prompts.read([BASELINE.labelled(**PLAIN), *conditions]), icl]}


def _condition(
    procedure: str, vectors: Tensor, blocks: Sequence[int], use: Use, **labels: Any
) -> Condition:
    labels = {"operation": use, "loss": None, **labels}
    return Condition(procedure, vectors, blocks, use, labels)


def _sampled(correct: Sequence[int], count: int) -> list[int]:
    """Blocks after which vectors are trained, ascending: half of `count` evenly spaced, the same
    for every task, and of the others those with the most correct answers, of equal ones the
    first."""
    depth, half = len(correct), max(1, count // 2)
    spaced = {depth * (2 * number + 1) // (2 * half) for number in range(half)}
    others = sorted(set(range(depth)) - spaced, key=lambda block: (-correct[block], block))
    return sorted([*spaced, *others[: max(0, count - len(spaced))]])


def _permuted(dev: PromptTokens, train: Sequence[int], seed: int) -> list[int]:
    """The expected tokens, where each training query has that of another one: they move round by
    one place in a random order."""
    asked = [*map(tuple, dev["zero_shot"])]
    known = {asked[row]: dev["expected"][row] for row in train}
    order = torch.randperm(len(known), generator=torch.Generator().manual_seed(seed)).tolist()
    prompts = [[*known][place] for place in order]
    given = {prompt: known[prompts[place - 1]] for place, prompt in enumerate(prompts)}
    return [given.get(prompt, token) for prompt, token in zip(asked, dev["expected"], strict=True)]


def _random(learned: Condition, episodes: int, seed: int) -> Condition:
    """A random direction for each episode in place of a learned vector, of its length."""
    vector: Any = learned.vectors
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(episodes, 1, len(vector), generator=generator).to(vector)
    vectors = torch.nn.functional.normalize(drawn, dim=-1) * vector.norm()
    labels = {"loss": "answer", "chosen": True}
    return _condition("random_vector", vectors, learned.blocks, learned.use, **labels)
