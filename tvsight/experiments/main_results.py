"""The central comparison: baseline, in-context learning and task vector (section 3 of the paper).

The vector is applied after each block on the dev episodes; the block with the best dev accuracy is
chosen, and the test episodes are measured there.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tvsight import execution
from tvsight.errors import MeasurementError
from tvsight.experiments.rows import frame, scored_rows
from tvsight.interventions import (
    answers,
    apply_vectors,
    averaged_vectors,
    cache_prompts,
    last_states,
    task_vectors,
    unpatched_states,
)
from tvsight.models.decoder import Decoder
from tvsight.prompts import Episode, PromptTokens, Template, tokenise
from tvsight.statistics import better_than
from tvsight.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.models.loading import Model

VECTOR_PROCEDURES = ("task_vector", "averaged_vector")
"""θ of the episode itself, and the mean θ of the episodes that do not contain its query."""

Progress = Callable[[str], None]
PHASES = ("demonstrations", "queries", "layer sweep", "test")
SIGNIFICANCE = 0.05
"""Level of the test by which a layer counts as identified; see `layer_is_identified`."""


def measure_task(
    model: "Model",
    task: Task,
    episodes: Sequence[Episode],
    template: Template,
    progress: Progress | None = None,
) -> "tuple[pd.DataFrame, dict[str, Tensor]]":
    """Measure one task: rows for every scored prediction, and the task vectors.

    Returns:
        Rows (see `experiments.rows`), and `{"dev": ..., "test": ...}`: θ of each episode after
        each block in half precision, `[episodes, depth, width]`.

    Raises:
        MeasurementError: when states or logits hold NaN or infinity.
        UsageError: when a prompt or an answer does not suit the tokenizer.
    """
    dev, test = ([e for e in episodes if e.split == split] for split in ("dev", "test"))
    dev_prompts, test_prompts = (tokenise(model, s, task.match, template) for s in (dev, test))
    result = execution.run(model.decoder, measure, dev_prompts, test_prompts, progress)
    if not result["vectors"].isfinite().all():
        raise MeasurementError("the residual stream holds NaN or infinity; try a wider --dtype.")

    def rows(split: str, read: dict[str, Tensor], *labels: Any) -> list[dict[str, Any]]:
        of_split = (dev, dev_prompts) if split == "dev" else (test, test_prompts)
        return scored_rows(model, *of_split, read, *labels)

    scored = rows("dev", result["dev_baseline"], "baseline")
    scored += rows("test", result["baseline"], "baseline")
    scored += rows("test", result["icl"], "icl")
    dev_correct = [row["correct"] for row in scored[: len(dev)]]
    for procedure in VECTOR_PROCEDURES:
        swept, layer = result["sweep"][procedure], result["layer"][procedure]
        by_layer = [
            rows("dev", {name: values[block] for name, values in swept.items()}, procedure, block)
            for block in range(model.decoder.depth)
        ]
        identified = layer_is_identified([row["correct"] for row in by_layer[layer]], dev_correct)
        patched = rows("test", result["patched"][procedure], procedure, layer)
        for row in (*(row for block in by_layer for row in block), *patched):
            scored.append({**row, "layer_identified": identified})
    vectors = result["vectors"].half().split([len(dev), len(test)])
    return frame(scored, task.name, task.category), dict(zip(("dev", "test"), vectors, strict=True))


def layer_is_identified(patched: Sequence[bool], baseline: Sequence[bool]) -> bool:
    """Whether the best dev layer answers better than no patch at all, on the same dev queries.

    Where the zero-shot baseline is as good, an early block wins although nothing was transferred
    there, and the accuracy at that block says nothing about task vectors.
    """
    return better_than(patched, baseline) < SIGNIFICANCE


def measure(
    decoder: Decoder, dev: PromptTokens, test: PromptTokens, progress: Progress | None
) -> dict[str, Any]:
    """Everything that is measured of one task, in one job.

    Args:
        dev: episodes that choose the layer.
        test: episodes that are reported.
        progress: receives each of `PHASES` as it begins; None where nobody can listen.

    Returns:
        Answers (see `interventions.answers`; each value `[episodes]` unless said otherwise):
        `dev_baseline`, `baseline`, `icl`; `sweep` per vector procedure `[depth, episodes]`;
        `patched` per vector procedure. `layer` per vector procedure, the chosen block. `vectors`,
        θ of the dev and then the test episodes, `[episodes, depth, width]`.
    """
    say = progress or _silent
    say("demonstrations")
    dev_states = last_states(decoder, dev["shared"], dev["dummies"])
    asked = [
        [*dummies, query] for dummies, query in zip(test["dummies"], test["query"], strict=True)
    ]
    test_states = last_states(decoder, test["shared"], asked)
    own = {
        "dev": task_vectors(dev_states),
        "test": task_vectors([states[:-1] for states in test_states]),
    }
    vectors = {
        "task_vector": own,
        "averaged_vector": {
            "dev": averaged_vectors(own["dev"], dev["others"]),
            "test": averaged_vectors(own["test"], test["others"]),
        },
    }
    icl = torch.stack([states[-1, -1] for states in test_states])
    del dev_states, test_states

    say("queries")
    dev_prompts, dev_index = _unique(dev["zero_shot"])
    test_prompts, test_index = _unique(test["zero_shot"])
    dev_cached, test_cached = (cache_prompts(decoder, p) for p in (dev_prompts, test_prompts))
    dev_baseline = answers(
        decoder, unpatched_states(decoder, dev_cached)[dev_index], dev["expected"]
    )
    result: dict[str, Any] = {"dev_baseline": dev_baseline, "sweep": {}, "layer": {}, "patched": {}}

    say("layer sweep")
    depth, episodes = decoder.depth, len(dev_index)
    sweeps = len(VECTOR_PROCEDURES)
    layers = [layer for layer in range(depth) for _ in range(episodes)] * sweeps
    by_layer = torch.cat([vectors[p]["dev"].transpose(0, 1).flatten(0, 1) for p in vectors])
    states = apply_vectors(decoder, dev_cached, dev_index * depth * sweeps, layers, by_layer)
    read = answers(decoder, states, dev["expected"] * depth * sweeps)
    for number, procedure in enumerate(vectors):
        swept = {name: values.view(sweeps, depth, -1)[number] for name, values in read.items()}
        result["sweep"][procedure] = swept
        result["layer"][procedure] = best_layer(swept["token"], dev["accepted"])

    say("test")
    final = [unpatched_states(decoder, test_cached)[test_index], icl]
    for procedure in VECTOR_PROCEDURES:
        layer = result["layer"][procedure]
        chosen = vectors[procedure]["test"][:, layer]
        repeated = [layer] * len(test_index)
        final.append(apply_vectors(decoder, test_cached, test_index, repeated, chosen))
    read = answers(decoder, torch.cat(final), test["expected"] * len(final))
    names = ("baseline", "icl", *VECTOR_PROCEDURES)
    for index, name in enumerate(names):
        of_name = {key: values.view(len(final), -1)[index] for key, values in read.items()}
        (result["patched"] if name in VECTOR_PROCEDURES else result)[name] = of_name
    result["vectors"] = torch.cat([own["dev"], own["test"]]).cpu()
    return result


def best_layer(tokens: Tensor, accepted: list[list[int]]) -> int:
    """The block with the most correct answers; of several, the lowest.

    Args:
        tokens: answers after patching each block, `[depth, episodes]`.
        accepted: tokens that count as correct, per episode.
    """
    correct = [
        sum(token in right for token, right in zip(row, accepted, strict=True))
        for row in tokens.tolist()
    ]
    return correct.index(max(correct))


def _unique(prompts: list[list[int]]) -> tuple[list[list[int]], list[int]]:
    """Each prompt once, and which of them every given prompt is."""
    numbers: dict[tuple[int, ...], int] = {}
    index = [numbers.setdefault(tuple(prompt), len(numbers)) for prompt in prompts]
    return [list(prompt) for prompt in numbers], index


def _silent(phase: str) -> None:
    pass
