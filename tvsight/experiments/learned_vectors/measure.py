"""Measure {extracted, learned} × {written over, added} on one task.

The extracted vector of a task is the mean θ of its dev episodes. Where vectors are added, the mean
state of zero-shot prompts is subtracted from it: both operations then aim at one state. Learned
vectors start at the mean θ, or at zero where they are added, and are trained on four fifths of the
dev queries; the others end the training, and choose the block by their loss.

Controls: a vector learned on answers that are permuted among the queries, after the block chosen
with right ones, and a random direction of the learned vector's length.
"""

from typing import Any, NamedTuple, TypedDict

import torch
from torch import Tensor

from tvsight.interventions.answers import answers
from tvsight.interventions.decoder import Decoder
from tvsight.methods.learned_vector import (
    STEPS,
    Loss,
    Place,
    Queries,
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


class LearnedAnswers(TypedDict):
    """Everything that is measured of one task. Conditions are labelled with `operation` and
    `loss`."""

    dev: list[Read]
    """`baseline`, `no_op`, and the extracted vectors after every block."""
    test: list[Read]
    """`baseline`, `icl`; `task_vector` after its block; `own_mean` after every block;
    `learned_vector` after each block where it was trained, and `random_vector` after its block."""
    details: list[dict[str, Any]]
    """Of each vector: `procedure`, `operation`, `loss`, `layer`, whether the block is the `chosen`
    one; of a learned one `steps`, `fitted` (the share of the training queries that are answered as
    trained), and `cosine` and `norm_ratio` of its change of the mean zero-shot state to that of the
    extracted vector."""
    labels: int
    """Number of different queries that vectors are trained on."""
    finite: bool


class Learned(NamedTuple):
    """Vectors of one operation that were trained for one aim."""

    use: Use
    loss: str
    vectors: Tensor
    """`[depth, width]`; zero where none was trained."""
    blocks: list[int]
    chosen: int
    """The block with the least loss on the held-out queries."""


def measure(
    decoder: Decoder,
    dev: PromptTokens,
    test: PromptTokens,
    count: int,
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
    change = mean - asked.states.float().mean(dim=0)
    extracted = {"overwrite": mean, "add": change}
    every = range(decoder.depth)
    on_own = Prompts(decoder, dev["zero_shot"], dev["expected"], on_dev.icl)
    conditions = [
        _condition("task_vector", on_dev.vectors["task_vector"], every, "overwrite"),
        *(_condition("own_mean", extracted[use], every, use) for use in USES),
    ]
    plain = BASELINE.labelled(operation=None, loss=None)
    swept = on_own.read(
        [plain, *conditions, no_op([decoder.depth // 2], operation=None, loss=None)]
    )
    _, own, *means, _ = swept
    details: list[dict[str, Any]] = []
    for read in (own, *means):
        best = best_layer(read["answers"], dev["accepted"])
        details += [_detail(read["procedure"], layer, best, **read["labels"]) for layer in every]

    places = [
        Place(block, use)
        for use, read in zip(USES, means, strict=True)
        for block in _sampled(correct_by_block(read["answers"], dev["accepted"]), count)
    ]
    learned: list[Learned] = []

    def learn(name: str, loss: Loss, wanted: list[int], places: list[Place], of: Queries) -> None:
        """Train a vector for each place, and note what came of it."""

        def heard(text: str) -> None:
            say(f"learning from {name}: {text}")

        starts = torch.stack([mean[block] * (use == "overwrite") for block, use in places])
        found = train(asked, places, starts, loss, of, STEPS, seed, heard)
        fitted = _fitted(asked, places, found.vectors, of.train, wanted)
        for use in dict.fromkeys(place.use for place in places):
            numbers = [number for number, place in enumerate(places) if place.use == use]
            vectors, blocks = torch.zeros_like(mean), [places[number].block for number in numbers]
            vectors[blocks] = found.vectors[numbers]
            chosen = blocks[int(found.held_out[numbers].argmin())]
            learned.append(Learned(use, name, vectors, blocks, chosen))
            changed = vectors - (mean - change if use == "overwrite" else 0)
            for number, block in zip(numbers, blocks, strict=True):
                own, other = changed[block], change[block]
                detail = _detail("learned_vector", block, chosen, operation=use, loss=name)
                details.append(
                    {
                        **detail,
                        "steps": sum(number in step for step in found.losses),
                        "fitted": fitted[number],
                        "cosine": torch.cosine_similarity(own, other, dim=0).item(),
                        "norm_ratio": (own.norm() / other.norm()).item(),
                    }
                )

    learn("answer", answer_loss(decoder, dev["expected"]), dev["expected"], places, queries)
    chosen_places = [Place(of.chosen, of.use) for of in learned]
    learn("icl", icl_loss(decoder, on_dev.icl), dev["expected"], places, queries)
    permuted = _permuted(dev, queries.train, seed)
    every_step = Queries(queries.train, [])
    learn("permuted", answer_loss(decoder, permuted), permuted, chosen_places, every_step)

    say("test")
    layer = best_layer(own["answers"], dev["accepted"])
    tested = [
        _condition("task_vector", on_test.vectors["task_vector"], [layer], "overwrite"),
        *conditions[1:],
        *(_condition("learned_vector", of.vectors, of.blocks, of.use, of.loss) for of in learned),
    ]
    directions = torch.randn(
        (len(test["expected"]), decoder.depth, decoder.width),
        generator=torch.Generator().manual_seed(seed),
    )
    directions = torch.nn.functional.normalize(directions, dim=-1).to(mean.device)
    for of in learned[: len(USES)]:
        drawn = directions * of.vectors.norm(dim=-1, keepdim=True)
        tested.append(_condition("random_vector", drawn, [of.chosen], of.use, of.loss))
        details.append(_detail("random_vector", of.chosen, of.chosen, **tested[-1].labels))
    on_others = Prompts(decoder, test["zero_shot"], test["expected"], on_test.icl)
    icl = read_states(decoder, "icl", on_test.icl.states, on_test.icl, operation=None, loss=None)
    return {
        "dev": swept,
        "test": [*on_others.read([plain, *tested]), icl],
        "details": details,
        "labels": len({tuple(dev["zero_shot"][row]) for row in queries.train}),
        "finite": all(bool(of.vectors.isfinite().all()) for of in learned),
    }


def _condition(
    procedure: str, vectors: Tensor, blocks: Any, use: Use, loss: str | None = None
) -> Condition:
    return Condition(procedure, vectors, blocks, use, {"operation": use, "loss": loss})


def _detail(procedure: str, layer: int, chosen: int, **labels: Any) -> dict[str, Any]:
    return {"procedure": procedure, **labels, "layer": layer, "chosen": layer == chosen}


def _sampled(correct: list[int], count: int) -> list[int]:
    """Blocks after which vectors are trained, ascending: half of `count` evenly spaced, and of the
    others those with the most correct answers, of equal ones the first."""
    depth, half = len(correct), max(1, count // 2)
    spaced = {depth * (2 * number + 1) // (2 * half) for number in range(half)}
    others = sorted(set(range(depth)) - spaced, key=lambda block: (-correct[block], block))
    return sorted([*spaced, *others[: max(0, count - len(spaced))]])


def _permuted(dev: PromptTokens, train: list[int], seed: int) -> list[int]:
    """The expected tokens of all queries, with those of the training queries permuted: a query has
    the answer of another one."""
    first = {tuple(dev["zero_shot"][row]): dev["expected"][row] for row in train}
    order = torch.randperm(len(first), generator=torch.Generator().manual_seed(seed)).tolist()
    prompts, tokens = [[*first][n] for n in order], [[*first.values()][n] for n in order]
    given = dict(zip(prompts, [*tokens[1:], *tokens[:1]], strict=True))
    asked = zip(map(tuple, dev["zero_shot"]), dev["expected"], strict=True)
    return [given.get(prompt, token) for prompt, token in asked]


def _fitted(
    asked: ZeroShot, places: list[Place], vectors: Tensor, train: list[int], wanted: list[int]
) -> list[float]:
    """The share of the training queries that are answered as wanted, of each place."""
    with torch.no_grad():
        states = asked.patched(places, vectors, train).flatten(0, 1)
    tokens = [wanted[row] for row in train] * len(places)
    right = answers(asked.decoder, states, tokens)["token"] == torch.tensor(tokens)
    return right.view(len(places), -1).double().mean(dim=1).tolist()
