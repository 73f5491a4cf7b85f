"""The central comparison: baseline, in-context learning and task vector (section 3 of the paper).

The vector is applied after each block on the dev episodes; the block with the best dev accuracy is
chosen, and the test episodes are measured there.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tvsight.errors import MeasurementError
from tvsight.execution import Job, Steps
from tvsight.experiments.rows import frame, scored_rows
from tvsight.interventions.answers import answers
from tvsight.interventions.application import apply_vectors, cache_prompts, unpatched_states
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.learning import averaged_vectors, last_states, task_vectors
from tvsight.models.precision import TIE
from tvsight.prompts import Episode, PromptTokens, Template, parts, tokenise
from tvsight.statistics.tests import better_than
from tvsight.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.models.loading import Model

VECTOR_PROCEDURES = ("task_vector", "averaged_vector")
"""θ of the episode itself, and the mean θ of the episodes that do not contain its query."""


Progress = Callable[[str], None]
PHASES = ("dev demonstrations", "layer sweep", "test demonstrations", "test queries")
SIGNIFICANCE = 0.05
"""Level of the test by which a layer counts as identified; see `layer_is_identified`."""


def measure_task(
    model: "Model",
    task: Task,
    episodes: Sequence[Episode],
    template: Template,
    vectors: bool = True,
    max_job_episodes: int | None = None,
) -> "Steps[tuple[pd.DataFrame, dict[str, Tensor]]]":
    """The steps that measure one task: rows for every scored prediction, and the task vectors.

    Args:
        vectors: return the vectors too; without them little has to travel from a server.
        max_job_episodes: cut splits of more episodes than this into several jobs, at a multiple of
            `AVERAGED_OVER`. Batches have other shapes then, so numbers change by rounding: in
            float32 the answers and chosen blocks are the same, and log-probabilities agree within
            1e-5.

    Returns:
        Rows (see `experiments.rows`), and, when wanted, `{"dev": ..., "test": ...}`: θ of each
        episode after each block in half precision, `[episodes, depth, width]`.

    Raises:
        MeasurementError: when states or logits hold NaN or infinity, or wanted vectors hold numbers
            that half precision does not have.
        UsageError: when a prompt or an answer does not suit the tokenizer.
    """
    dev, test = ([e for e in episodes if e.split == split] for split in ("dev", "test"))
    dev_prompts, test_prompts = (tokenise(model, s, task.match, template) for s in (dev, test))
    result = yield from in_parts(
        model.decoder, dev_prompts, test_prompts, vectors, max_job_episodes
    )
    on_dev, on_test, layers = (result[name] for name in ("dev", "test", "layers"))
    if not (on_dev["finite"] and on_test["finite"]):
        raise MeasurementError("the residual stream holds NaN or infinity; try a wider --dtype.")
    kept = {"dev": on_dev["vectors"], "test": on_test["vectors"]} if vectors else {}
    if not all(half.isfinite().all() for half in kept.values()):
        raise MeasurementError(
            f"task vectors hold numbers beyond {torch.finfo(torch.half).max:.0f}, so they cannot "
            "be stored in half precision. --no-vectors keeps the rows alone."
        )
    check_no_op(on_dev["baseline"], on_dev["no_op"], model.dtype)

    def rows(split: str, answered: dict[str, Tensor], *labels: Any) -> list[dict[str, Any]]:
        of_split = (dev, dev_prompts) if split == "dev" else (test, test_prompts)
        return scored_rows(model, *of_split, answered, *labels)

    scored = rows("dev", on_dev["baseline"], "baseline")
    scored += rows("test", on_test["baseline"], "baseline")
    scored += rows("test", on_test["icl"], "icl")
    dev_correct = [row["correct"] for row in scored[: len(dev)]]
    for procedure, layer in layers.items():
        swept = on_dev["sweep"][procedure]
        by_layer = [
            rows("dev", {name: read[:, block] for name, read in swept.items()}, procedure, block)
            for block in range(model.decoder.depth)
        ]
        identified = layer_is_identified([row["correct"] for row in by_layer[layer]], dev_correct)
        patched = rows("test", on_test[procedure], procedure, layer)
        for row in (*(row for block in by_layer for row in block), *patched):
            scored.append({**row, "layer_identified": identified})
    return frame(scored, task.name, task.category), kept


def in_parts(
    decoder: Decoder, dev: PromptTokens, test: PromptTokens, vectors: bool, most: int | None
) -> Steps[dict[str, Any]]:
    """The steps of `measure`, and its result, in jobs of at most `most` episodes of a split: what a
    job holds in memory does not grow with their number."""
    dev_parts, test_parts = parts(dev, most), parts(test, most)
    size = decoder.depth * decoder.width * torch.half.itemsize if vectors else 0
    if len(dev_parts) == len(test_parts) == 1:
        episodes = len(dev["shared"]) + len(test["shared"])
        (result,) = yield [Job(measure, (dev, test, vectors), size * episodes)]
        return dict(result)

    def test_jobs(layers: dict[str, int]) -> list[Job]:
        return [
            Job(measure_test, (part, layers, vectors), size * len(part["shared"]))
            for part in test_parts
        ]

    jobs = [Job(measure_dev, (part, vectors), size * len(part["shared"])) for part in dev_parts]
    jobs[0] = replace(jobs[0], later=tuple(test_jobs(dict.fromkeys(VECTOR_PROCEDURES, 0))))
    on_dev = _joined((yield jobs))
    layers = best_layers(on_dev["sweep"], dev["accepted"])
    on_test = _joined((yield test_jobs(layers)))
    return {"dev": on_dev, "layers": layers, "test": on_test}


def check_no_op(baseline: dict[str, Tensor], no_op: dict[str, Tensor], dtype: str) -> None:
    """A prompt's own state, patched into it, must not change its answer.

    Args:
        baseline: answers without a patch, each value `[episodes]`.
        no_op: answers with it.

    Raises:
        MeasurementError: when an answer changed that was not a tie.
    """
    decided = baseline["margin"] > TIE[dtype]
    changed = int(((baseline["token"] != no_op["token"]) & decided).sum())
    if changed:
        raise MeasurementError(
            f"a no-op patch changed {changed} of {len(decided)} answers: for this model, states "
            "are read or written at the wrong place."
        )


def layer_is_identified(patched: Sequence[bool], baseline: Sequence[bool]) -> bool:
    """Whether the best dev layer answers better than no patch at all, on the same dev queries.

    Where the zero-shot baseline is as good, an early block wins although nothing was transferred
    there, and the accuracy at that block says nothing about task vectors.
    """
    return better_than(patched, baseline) < SIGNIFICANCE


def measure(
    decoder: Decoder,
    dev: PromptTokens,
    test: PromptTokens,
    vectors: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Everything that is measured of one task, in one job.

    Returns:
        `dev` and `test`, as `measure_dev` and `measure_test` return them, and `layers`: the chosen
        block of each vector procedure.
    """
    on_dev = measure_dev(decoder, dev, vectors, progress)
    layers = best_layers(on_dev["sweep"], dev["accepted"])
    on_test = measure_test(decoder, test, layers, vectors, progress)
    return {"dev": on_dev, "layers": layers, "test": on_test}


def measure_dev(
    decoder: Decoder, dev: PromptTokens, vectors: bool = True, progress: Progress | None = None
) -> dict[str, Any]:
    """What chooses the layer: the vectors of the dev episodes applied after every block.

    Returns:
        Answers (see `interventions.answers`): `baseline` and `no_op`, each value `[episodes]`, and
        `sweep` per vector procedure, each value `[episodes, depth]`; and what `_vectors_to_send`
        gives. `no_op` is the baseline again, with each prompt's own state patched into it.
    """
    say = progress or _silent
    say("dev demonstrations")
    own = task_vectors(last_states(decoder, dev["shared"], dev["dummies"]))
    by_procedure = {
        "task_vector": own,
        "averaged_vector": averaged_vectors(own, dev["others"]),
    }
    say("layer sweep")
    prompts, index = _unique(dev["zero_shot"])
    cached = cache_prompts(decoder, prompts)
    unpatched = unpatched_states(decoder, cached)[index]
    every, middle = range(decoder.depth), decoder.depth // 2
    layers = {**dict.fromkeys(by_procedure, every), "no_op": [middle]}
    patches = torch.cat([*by_procedure.values(), unpatched[:, [middle]]], dim=1)
    of_patch = [layer for of_procedure in layers.values() for layer in of_procedure] * len(index)
    prompt = [number for number in index for _ in range(patches.shape[1])]
    patched = apply_vectors(decoder, cached, prompt, of_patch, patches.flatten(0, 1))
    states = torch.cat([unpatched[:, -1:], patched.view_as(patches)], dim=1)
    expected = [token for token in dev["expected"] for _ in range(states.shape[1])]
    read = answers(decoder, states.flatten(0, 1), expected)

    columns = [1, *map(len, layers.values())]
    tables = [v.view(len(index), -1).split(columns, dim=1) for v in read.values()]
    baseline, *sweep, no_op = (dict(zip(read, of, strict=True)) for of in zip(*tables, strict=True))
    return {
        "baseline": {name: values[:, 0] for name, values in baseline.items()},
        "no_op": {name: values[:, 0] for name, values in no_op.items()},
        "sweep": dict(zip(by_procedure, sweep, strict=True)),
        **_vectors_to_send(own, vectors, states),
    }


def measure_test(
    decoder: Decoder,
    test: PromptTokens,
    layers: dict[str, int],
    vectors: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """What is reported: baseline, ICL, and each vector procedure after its chosen block.

    Args:
        layers: the chosen block of each vector procedure.

    Returns:
        Answers (see `interventions.answers`; each value `[episodes]`): `baseline`, `icl` and each
        vector procedure; and what `_vectors_to_send` gives.
    """
    say = progress or _silent
    say("test demonstrations")
    asked = [
        [*dummies, query] for dummies, query in zip(test["dummies"], test["query"], strict=True)
    ]
    states = last_states(decoder, test["shared"], asked)
    own = task_vectors([of_episode[:-1] for of_episode in states])
    icl = torch.stack([of_episode[-1, -1] for of_episode in states])
    del states
    by_procedure = {
        "task_vector": own,
        "averaged_vector": averaged_vectors(own, test["others"]),
    }
    say("test queries")
    prompts, index = _unique(test["zero_shot"])
    cached = cache_prompts(decoder, prompts)
    final = {"baseline": unpatched_states(decoder, cached)[index, -1], "icl": icl}
    for procedure, layer in layers.items():
        chosen = by_procedure[procedure][:, layer]
        final[procedure] = apply_vectors(decoder, cached, index, [layer] * len(index), chosen)
    ends = torch.cat(list(final.values()))
    read = answers(decoder, ends, test["expected"] * len(final))
    result: dict[str, Any] = {
        procedure: {key: values.view(len(final), -1)[number] for key, values in read.items()}
        for number, procedure in enumerate(final)
    }
    return {**result, **_vectors_to_send(own, vectors, ends)}


def best_layers(sweep: dict[str, dict[str, Tensor]], accepted: list[list[int]]) -> dict[str, int]:
    """For each vector procedure the block with the most correct answers; of several, the lowest.

    Args:
        sweep: answers on dev, each value `[episodes, depth]`.
        accepted: tokens that count as correct, per episode.
    """
    chosen = {}
    for procedure, read in sweep.items():
        correct = [
            sum(token in right for token, right in zip(block, accepted, strict=True))
            for block in read["token"].T.tolist()
        ]
        chosen[procedure] = correct.index(max(correct))
    return chosen


def _vectors_to_send(vectors: Tensor, wanted: bool, states: Tensor) -> dict[str, Any]:
    """`finite`, whether all of `vectors` `[episodes, depth, width]` and of the `states` that were
    unembedded are numbers; and, when wanted, `vectors` in half precision, which may have become
    infinite there."""
    finite = bool(vectors.isfinite().all()) and bool(states.isfinite().all())
    return {"finite": finite, **({"vectors": vectors.half().cpu()} if wanted else {})}


def _unique(prompts: list[list[int]]) -> tuple[list[list[int]], list[int]]:
    """Each prompt once, and which of them every given prompt is."""
    numbers: dict[tuple[int, ...], int] = {}
    index = [numbers.setdefault(tuple(prompt), len(numbers)) for prompt in prompts]
    return [list(prompt) for prompt in numbers], index


def _joined(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The results of parts of a split as one: every tensor begins with its episodes."""
    joined: dict[str, Any] = {}
    for name, value in results[0].items():
        values = [result[name] for result in results]
        if isinstance(value, dict):
            joined[name] = _joined(values)
        else:
            joined[name] = all(values) if isinstance(value, bool) else torch.cat(values)
    return joined


def _silent(phase: str) -> None:
    pass
