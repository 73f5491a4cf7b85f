"""Baseline, in-context learning and the vectors of methods on one task (section 3 of the paper).

A vector is applied after every block on the dev episodes; the block with the best dev accuracy is
chosen, and the test episodes are measured there.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

import torch
from torch import Tensor

from tvsight.errors import MeasurementError
from tvsight.interventions.answers import Answers, Icl
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.learning import last_states, task_vectors
from tvsight.methods import averaged_vector, task_vector
from tvsight.methods.method import Method, extract_both
from tvsight.models.precision import TIE
from tvsight.prompts.tokens import PromptTokens, TokenIds
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

VECTORS = {"task_vector": task_vector.METHOD, "averaged_vector": averaged_vector.METHOD}
"""θ of the episode itself, and the mean θ of the episodes that do not contain its query."""


class OnSplit(TypedDict):
    """The episodes of one split, or a part of them. Every tensor begins with the episodes."""

    read: list[Read]
    """On dev `baseline`, `no_op` and each vector after every block; on test `baseline`, `icl` and
    each vector after its chosen block."""
    finite: bool
    """Whether all vectors are finite."""
    vectors: Tensor
    """Those of the first method in half precision, where they may have become infinite,
    `[episodes, depth, width]`; of no episodes when vectors are not wanted."""


class Comparison(TypedDict):
    """Everything that is measured of one task."""

    dev: OnSplit
    layers: dict[str, int]
    """The chosen block of each vector."""
    test: OnSplit


class Extracted(NamedTuple):
    """What is known of some episodes before their queries are answered."""

    vectors: dict[str, Tensor]
    """By method, `[episodes, depth, width]`."""
    icl: Icl


def measure(
    decoder: Decoder,
    dev: PromptTokens,
    test: PromptTokens,
    vectors: bool = True,
    progress: Progress | None = None,
) -> Comparison:
    """The central comparison of a whole task in one job.

    Args:
        vectors: return the vectors too; without them little has to travel from a server.
    """
    on_dev = measure_dev(decoder, dev, vectors, progress)
    layers = best_layers(on_dev["read"], dev["accepted"])
    on_test = measure_test(decoder, test, layers, vectors, progress)
    return {"dev": on_dev, "layers": layers, "test": on_test}


def measure_dev(
    decoder: Decoder, dev: PromptTokens, vectors: bool = True, progress: Progress | None = None
) -> OnSplit:
    """Apply the vectors of the dev episodes after every block: this chooses the layer."""
    say = progress or silent
    say("dev demonstrations")
    extracted = extract_with_icl(decoder, dev)
    say("layer sweep")
    return sweep(decoder, dev, VECTORS, extracted, vectors)


def measure_test(
    decoder: Decoder,
    test: PromptTokens,
    layers: Mapping[str, int],
    vectors: bool = True,
    progress: Progress | None = None,
) -> OnSplit:
    """Answer the test queries: baseline, ICL, and each vector after its block in `layers`."""
    say = progress or silent
    say("test demonstrations")
    extracted = extract_with_icl(decoder, test)
    say("test queries")
    return after_chosen(decoder, test, VECTORS, extracted, layers, vectors)


def measure_method(
    decoder: Decoder,
    dev: PromptTokens,
    test: PromptTokens,
    name: str,
    method: Method,
    settings: Mapping[str, Any],
    wanted: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """Measure one method by the same protocol.

    A vector of the task is extracted from the dev episodes, and applied to both splits.

    Args:
        name: of its procedure.
        settings: named arguments of the method.
        wanted: return the vectors too; those of a task once, `[1, depth, width]`.
    """
    say = progress or silent
    say("learning")
    splits = zip((dev, test), extract_both(decoder, dev, test, method, settings), strict=True)
    on_dev, on_test = (
        Extracted({name: of}, in_context_learning(decoder, split)) for split, of in splits
    )
    say("dev")
    found = compared(decoder, dev, test, {name: method}, on_dev, on_test, wanted)
    if method.of == "task":
        # Copies, for the vector of a task is one tensor for both splits.
        for on_split in (found["dev"], found["test"]):
            on_split["vectors"] = on_split["vectors"][:1].clone()
    return found


def compared(
    decoder: Decoder,
    dev: PromptTokens,
    test: PromptTokens,
    methods: Mapping[str, Method],
    on_dev: Extracted,
    on_test: Extracted,
    wanted: bool = False,
) -> Comparison:
    """Vectors applied after every block on dev, and on test after the best one there.

    Args:
        methods: by name.
        wanted: return the vectors of the first method.
    """
    swept = sweep(decoder, dev, methods, on_dev, wanted)
    layers = best_layers(swept["read"], dev["accepted"])
    tested = after_chosen(decoder, test, methods, on_test, layers, wanted)
    return {"dev": swept, "layers": layers, "test": tested}


def extract_with_icl(decoder: Decoder, prompts: PromptTokens) -> Extracted:
    """The vectors of `VECTORS` and in-context learning, which continue the same demonstrations."""
    few_shot = [
        [*dummies, query]
        for dummies, query in zip(prompts["dummies"], prompts["query"], strict=True)
    ]
    last = last_states(decoder, prompts["shared"], few_shot)
    own = task_vectors([episode_states[:-1] for episode_states in last])
    averaged = averaged_vector.learn(decoder, prompts, own)
    icl = torch.stack([episode_states[-1, -1] for episode_states in last])
    vectors = {"task_vector": own, "averaged_vector": averaged}
    return Extracted(vectors, Icl(icl, prompts["expected"], prompts["accepted"]))


def sweep(
    decoder: Decoder,
    dev: PromptTokens,
    methods: Mapping[str, Method],
    extracted: Extracted,
    wanted: bool = False,
) -> OnSplit:
    """The answers without a vector, and with those of some methods after every block.

    Args:
        methods: by name.
        wanted: return the vectors of the first method.
    """
    prompts = Prompts(decoder, dev["zero_shot"], dev["expected"], extracted.icl)
    conditions = [
        BASELINE,
        *applied(methods, extracted, dict.fromkeys(methods, range(decoder.depth))),
        no_op([decoder.depth // 2]),
    ]
    return _on_split(prompts.read(conditions), extracted, wanted)


def after_chosen(
    decoder: Decoder,
    test: PromptTokens,
    methods: Mapping[str, Method],
    extracted: Extracted,
    layers: Mapping[str, int],
    wanted: bool = False,
) -> OnSplit:
    """The answers without a vector, with demonstrations, and with the vector of each method after
    its block in `layers`."""
    prompts = Prompts(decoder, test["zero_shot"], test["expected"], extracted.icl)
    conditions = applied(methods, extracted, {name: [layers[name]] for name in methods})
    baseline, *patched = prompts.read([BASELINE, *conditions])
    return _on_split(
        [baseline, read_states(decoder, "icl", extracted.icl.states, extracted.icl), *patched],
        extracted,
        wanted,
    )


def applied(
    methods: Mapping[str, Method], extracted: Extracted, blocks: Mapping[str, Sequence[int]]
) -> list[Condition]:
    """The vector of each method, after its own `blocks`."""
    return [
        Condition(name, extracted.vectors[name], blocks[name], method.use)
        for name, method in methods.items()
    ]


def in_context_learning(
    decoder: Decoder, prompts: PromptTokens, shared: Sequence[TokenIds] | None = None
) -> Icl:
    """In-context learning on some episodes.

    Args:
        shared: demonstrations in place of those of the prompts, as `PromptTokens` has them.
    """
    few_shot = last_states(
        decoder, shared or prompts["shared"], [[query] for query in prompts["query"]]
    )
    states = torch.stack([episode_states[0, -1] for episode_states in few_shot])
    return Icl(states, prompts["expected"], prompts["accepted"])


def best_layers(
    read: Sequence[Read],
    accepted: Sequence[Sequence[int]],
    key: Callable[[Read], Any] = lambda read_one: read_one["procedure"],
) -> dict[Any, int]:
    """The block with the best dev accuracy, for each vector that was applied after several.

    Args:
        key: what tells vectors apart.
    """
    return {
        key(read_one): best_layer(read_one["answers"], accepted)
        for read_one in read
        if read_one["blocks"] is not None and len(read_one["blocks"]) > 1
    }


def best_layer(swept: Answers, accepted: Sequence[Sequence[int]]) -> int:
    """The block with the most correct answers; of several, the lowest. See `correct_by_block`."""
    correct = correct_by_block(swept, accepted)
    return correct.index(max(correct))


def correct_by_block(swept: Answers, accepted: Sequence[Sequence[int]]) -> list[int]:
    """The number of correct answers after each block.

    Args:
        swept: answers after some blocks, each value `[episodes, blocks]`.
        accepted: tokens that count as correct, per episode.
    """
    return [
        sum(token in right for token, right in zip(block, accepted, strict=True))
        for block in swept["token"].T.tolist()
    ]


def check_no_op(read: Sequence[Read], dtype: str, unpatched: str = "baseline") -> None:
    """Check that a prompt's own state, written back, changes no answer.

    Args:
        read: with `no_op` among them, and the same prompts without a patch.
        unpatched: the procedure of these.

    Raises:
        MeasurementError: when an answer changed that was not a tie.
    """
    by_name = {condition_read["procedure"]: condition_read["answers"] for condition_read in read}
    baseline, patched = by_name[unpatched], by_name["no_op"]
    decided = baseline["margin"] > TIE[dtype]
    changed = (baseline["token"] != patched["token"].transpose(0, -1)) & decided
    if changed.any():
        raise MeasurementError(
            f"a no-op patch changed {int(changed.sum())} of {changed.numel()} answers: for this "
            "model, states are read or written at the wrong place."
        )


def joined(parts: Sequence[Any]) -> Any:
    """The parts of a split as one: tensors one after the other."""
    first = parts[0]
    if isinstance(first, dict):
        return {name: joined([part[name] for part in parts]) for name in first}
    if isinstance(first, list):
        return [joined(alike) for alike in zip(*parts, strict=True)]
    if isinstance(first, Tensor):
        return torch.cat(list(parts))
    return all(parts) if isinstance(first, bool) else first


def _on_split(read: list[Read], extracted: Extracted, wanted: bool) -> OnSplit:
    first = next(iter(extracted.vectors.values()))
    finite = all(bool(vectors.isfinite().all()) for vectors in extracted.vectors.values())
    vectors = first.half().cpu() if wanted else first.new_empty(0, dtype=torch.half).cpu()
    return {"read": read, "finite": finite, "vectors": vectors}
