"""Conflicting tasks: demonstrations of A, a task vector of B (section 4 of the paper).

The few-shot prompt `S_A, x→` is patched at its last token with θ_B, from demonstrations of B. If
the model then answers as B asks, the vector rules over the demonstrations that it can see.

The block is chosen in two ways, each on dev. `zero_shot` is the paper's: where θ_B is best at B in
the zero-shot prompt `x→`. `conflict` asks where θ_B is best at B in the conflict itself: where B is
easy without any vector, the first rule picks an early block, at which nothing is carried.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tvsight.execution import Job, Steps
from tvsight.experiments.conflicting_tasks import NAME as CONFLICTING_TASKS
from tvsight.experiments.conflicting_tasks.episodes import Conflict, pair_name
from tvsight.experiments.main_results.measure import best_layers, check_no_op, layer_is_identified
from tvsight.experiments.rows import frame, scored_rows
from tvsight.interventions.answers import answers
from tvsight.interventions.application import apply_vectors, cache_prompts, unpatched_states
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.learning import last_states, task_vectors
from tvsight.prompts import Episode, PromptTokens, Template, tokenise
from tvsight.prompts.episodes import SPLITS
from tvsight.storage.schemas import schema
from tvsight.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.models.loading import Model

RULES = ("zero_shot", "conflict")
"""How the block is chosen, the paper's way first."""
UNPATCHED = {"zero_shot": "baseline", "conflict": "icl"}
"""The same prompts without a vector, which the chosen block has to beat on dev."""

Progress = Callable[[str], None]
Answers = dict[str, Tensor]
"""What `interventions.answers` returns."""


def measure_pair(
    model: "Model",
    demonstrated: Task,
    patched: Task,
    conflicts: Sequence[Conflict],
    template: Template,
) -> "Steps[pd.DataFrame]":
    """The steps that measure one pair of tasks.

    Returns:
        Rows (see `experiments.rows`). Predictions in the conflict have two: `scored_as`
        `demonstrations`, by the answers of the demonstrated task, and `patched`, by those of the
        other; zero-shot prompts the second only. On dev: the zero-shot prompt (`baseline`) and the
        conflicting one (`icl`) without a vector, and θ_B after every block, with the `layer_rule`
        `zero_shot` in the first and `conflict` in the second. On test: the conflicting prompt
        without a vector, and with it after the block that each rule chooses.

    Raises:
        MeasurementError: when logits hold NaN or infinity, or a no-op patch changes an answer.
        UsageError: when a prompt or an answer does not suit the tokenizer.
    """
    asked: dict[tuple[str, str], list[Episode]] = {}
    prompts: dict[tuple[str, str], PromptTokens] = {}
    for split in SPLITS:
        of_split = [conflict for conflict in conflicts if conflict.patched.split == split]
        asked["demonstrations", split] = [conflict.demonstrated for conflict in of_split]
        asked["patched", split] = [conflict.patched for conflict in of_split]
    for key, episodes in asked.items():
        task = patched if key[0] == "patched" else demonstrated
        prompts[key] = tokenise(model, episodes, task.match, template)
    (found,) = yield [Job(measure, tuple(prompts.values()))]
    dev, test = found["dev"], found["test"]
    check_no_op(dev["patched"]["icl"], dev["patched"]["no_op"], model.dtype)

    def rows(
        split: str,
        scored_as: str,
        read: Answers,
        procedure: str,
        layer: int | None = None,
        rule: str | None = None,
    ) -> list[dict[str, Any]]:
        of_split = asked[scored_as, split], prompts[scored_as, split]
        return scored_rows(
            model, *of_split, read, procedure, layer, scored_as=scored_as, layer_rule=rule
        )

    scored = []
    for scored_as in ("demonstrations", "patched"):
        on_dev, on_test = dev[scored_as], test[scored_as]
        scored += rows("test", scored_as, on_test["icl"], "icl")
        for procedure in UNPATCHED.values():
            if procedure in on_dev:
                scored += rows("dev", scored_as, on_dev[procedure], procedure)
        for rule, chosen in found["layers"].items():
            patched_rows = rows("test", scored_as, on_test[rule], "task_vector", chosen, rule)
            for block in range(model.decoder.depth) if rule in on_dev else ():
                swept = {name: values[:, block] for name, values in on_dev[rule].items()}
                patched_rows += rows("dev", scored_as, swept, "task_vector", block, rule)
            identified = is_identified(dev["patched"], rule, chosen, prompts["patched", "dev"])
            scored += [{**row, "layer_identified": identified} for row in patched_rows]
    name = pair_name(demonstrated.name, patched.name)
    return frame(scored, name, demonstrated.category, schema(CONFLICTING_TASKS))


def is_identified(on_dev: dict[str, Answers], rule: str, layer: int, prompts: PromptTokens) -> bool:
    """Whether a chosen block answers the patched task better on dev than the same prompts without
    a vector; see `layer_is_identified`.

    Args:
        on_dev: what `measure_dev` scored as patched.
        prompts: of the patched task.
    """
    read = on_dev[rule]["token"][:, layer], on_dev[UNPATCHED[rule]]["token"]
    patched, unpatched = (
        [token in right for token, right in zip(of.tolist(), prompts["accepted"], strict=True)]
        for of in read
    )
    return layer_is_identified(patched, unpatched)


def measure(
    decoder: Decoder,
    dev_demonstrations: PromptTokens,
    dev_patched: PromptTokens,
    test_demonstrations: PromptTokens,
    test_patched: PromptTokens,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Everything that is measured of one pair, in one job.

    Args:
        dev_demonstrations: the dev prompts `S_A, x→`.
        dev_patched: those that θ_B is read from, and the zero-shot prompts `x→` of B.
        test_demonstrations: as on dev.
        test_patched: as on dev.

    Returns:
        `dev` and `test`, as `measure_dev` and `measure_test` return them, and `layers`: the chosen
        block of each rule.
    """
    say = progress or _silent
    say("dev conflicts")
    dev = measure_dev(decoder, dev_demonstrations, dev_patched)
    layers = best_layers({rule: dev["patched"][rule] for rule in RULES}, dev_patched["accepted"])
    say("test conflicts")
    test = measure_test(decoder, test_demonstrations, test_patched, layers)
    return {"dev": dev, "layers": layers, "test": test}


def measure_dev(
    decoder: Decoder, demonstrations: PromptTokens, patched: PromptTokens
) -> dict[str, dict[str, Answers]]:
    """What chooses the block: θ_B after every block, in zero-shot prompts and in conflicts.

    Returns:
        Answers with the log-probability of the task that they are scored as. `patched`:
        `baseline`, `icl`, and `no_op` (`icl` again, with each prompt's own state patched into it),
        each value `[episodes]`; the sweep of each rule, each value `[episodes, depth]`.
        `demonstrations`: `icl`, `no_op` and `conflict`.
    """
    own = task_vectors(last_states(decoder, patched["shared"], patched["dummies"]))
    zero_shot = _swept(decoder, patched["zero_shot"], own)
    conflict = _swept(decoder, _conflicting(demonstrations), own)
    theirs, ours = patched["expected"], demonstrations["expected"]
    read = _read(decoder, [(zero_shot, theirs), (conflict, theirs), (conflict, ours)])
    return {
        "patched": _split(read[0], "baseline", "zero_shot") | _split(read[1], "icl", "conflict"),
        "demonstrations": _split(read[2], "icl", "conflict"),
    }


def measure_test(
    decoder: Decoder, demonstrations: PromptTokens, patched: PromptTokens, layers: dict[str, int]
) -> dict[str, dict[str, Answers]]:
    """What is reported: the conflicting prompts as they are, and with θ_B after chosen blocks.

    Args:
        layers: the chosen block of each rule.

    Returns:
        By the task that answers are scored as: `icl` and each rule, each value `[episodes]`.
    """
    own = task_vectors(last_states(decoder, patched["shared"], patched["dummies"]))
    prompts = _conflicting(demonstrations)
    cached, every = cache_prompts(decoder, prompts), range(len(prompts))
    states = [unpatched_states(decoder, cached)[:, -1]]
    for layer in layers.values():
        states.append(apply_vectors(decoder, cached, every, [layer] * len(every), own[:, layer]))
    runs = torch.stack(states, dim=1)
    read = _read(decoder, [(runs, demonstrations["expected"]), (runs, patched["expected"])])
    return {
        scored_as: {
            name: {key: values[:, run] for key, values in of_task.items()}
            for run, name in enumerate(["icl", *layers])
        }
        for scored_as, of_task in zip(("demonstrations", "patched"), read, strict=True)
    }


def _conflicting(demonstrations: PromptTokens) -> list[list[int]]:
    """The whole prompts `S_A, x→`."""
    both = zip(demonstrations["shared"], demonstrations["query"], strict=True)
    return [shared + query for shared, query in both]


def _swept(decoder: Decoder, prompts: list[list[int]], vectors: Tensor) -> Tensor:
    """Final states of each prompt as it is, patched with its vector `[depth, width]` after each
    block, and with its own state after the middle one: `[prompts, 1 + depth + 1, width]`."""
    middle = decoder.depth // 2
    cached = cache_prompts(decoder, prompts)
    unpatched = unpatched_states(decoder, cached)
    patches = torch.cat([vectors, unpatched[:, [middle]]], dim=1)
    layers = [*range(decoder.depth), middle] * len(prompts)
    numbers = [number for number in range(len(prompts)) for _ in range(decoder.depth + 1)]
    final = apply_vectors(decoder, cached, numbers, layers, patches.flatten(0, 1))
    return torch.cat([unpatched[:, [-1]], final.view_as(patches)], dim=1)


def _split(read: Answers, unpatched: str, swept: str) -> dict[str, Answers]:
    """The parts of answers to what `_swept` returned."""
    places: dict[str, Any] = {unpatched: 0, swept: slice(1, -1), "no_op": -1}
    return {
        name: {key: values[:, place] for key, values in read.items()}
        for name, place in places.items()
    }


def _read(decoder: Decoder, asked: Sequence[tuple[Tensor, list[int]]]) -> list[Answers]:
    """Answers from several sets of states `[episodes, runs, width]`, unembedded together.

    Args:
        asked: states, and a token per episode whose log-probability is wanted.

    Returns:
        Per set, each value `[episodes, runs]`.
    """
    states = torch.cat([of.flatten(0, 1) for of, _ in asked])
    expected = [token for of, tokens in asked for token in tokens for _ in range(of.shape[1])]
    read = answers(decoder, states, expected)
    sizes = [of.shape[0] * of.shape[1] for of, _ in asked]
    parts = {name: values.split(sizes) for name, values in read.items()}
    return [
        {name: of[number].view(states.shape[:2]) for name, of in parts.items()}
        for number, (states, _) in enumerate(asked)
    ]


def _silent(phase: str) -> None:
    pass
