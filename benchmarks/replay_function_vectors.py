"""Function vectors that other code measured: its prompts are measured again, and compared.

Prompts are texts, and come with the effects, heads, vector and answers that were found. Nothing is
sampled here, and nothing is stored. The exit code is 1 where something differs, and 2 where the
file is not in the form of docs/function_vectors.md or does not suit the model.

    python -m benchmarks.replay_function_vectors their_prompts.json --model my_checkpoint
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict

import pandas as pd
import torch
import tyro
from torch import Tensor

from benchmarks.prompt_files import read_prompts
from tvsight.cli.command import FAILURE_EXIT, command
from tvsight.errors import UsageError
from tvsight.execution import here
from tvsight.interventions.application import apply_vectors, cache_prompts, unpatched_states
from tvsight.interventions.attention import Head
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.heads import contributions
from tvsight.methods.function_vector import effects, mean_heads, summed, top_heads
from tvsight.models.catalogue import EMBEDDED
from tvsight.models.loading import Model, load
from tvsight.output.console import Display
from tvsight.prompts import check_window
from tvsight.prompts.filtering import answer_tokens

TOLERANCE = 1e-4
"""Largest difference of an effect, and of an entry of the vector."""
TIE = 1e-5
"""Heads whose mean effects are this near may change places."""


@dataclass(frozen=True)
class Options:
    """The prompts, and the model that measures them again."""

    file: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="FILE")]]
    """The file of prompts (JSON)."""
    model: Annotated[str, tyro.conf.arg(metavar="NAME")] = EMBEDDED
    """An alias, a checkpoint directory, or a hub id. It is loaded in float32, as other code
    measured, on a GPU too."""


class Compared(NamedTuple):
    """One quantity of the file, measured again."""

    name: str
    compared: int
    equal: int
    difference: float
    """The largest."""


class Replayed(TypedDict):
    """The quantities of a file, measured again."""

    effect: Tensor
    """`[prompts, depth, heads]`."""
    heads: list[Head]
    vector: Tensor
    """The raw sum, `[width]`."""
    clean: Tensor
    """Logits of the zero-shot prompts, `[prompts, vocabulary]`."""
    added: Tensor
    """The same with the vector added after each block, `[blocks, prompts, vocabulary]`."""


def replay(model: Model, content: Mapping[str, Any]) -> list[Compared]:
    """Measure everything in a file again, and compare.

    Args:
        content: from `read_prompts`.

    Raises:
        RefusedError: when the heads of the model cannot be told apart.
        UsageError: when the tokens of a prompt's answer are others than in the file, a prompt is
            longer than the context window, or what was found is of another model.
    """
    asked = [*content["aie_prompts"], *content["zero_shot"]]
    _check_tokens(model, asked)
    decoder = model.decoder
    decoder.attention.check([(layer, head) for layer, head, _ in content["top_heads"]])
    count, total = len(content["top_heads"]), decoder.depth * decoder.attention.heads
    if count > total:
        raise UsageError(f"top_heads has {count} entries; {model.name} has {total} heads.")
    shape = [len(content["aie_prompts"]), decoder.depth, decoder.attention.heads]
    theirs = _tensor("aie_by_prompt", content, shape)
    _tensor("vector", content, [decoder.width])
    blocks = [block for block in content["blocks"] if block not in range(decoder.depth)]
    if blocks:
        raise UsageError(
            f"blocks holds {blocks[0]}; {model.name} has blocks 0 to {decoder.depth - 1}."
        )
    texts = {
        "means": content["mean_prompts"],
        "effects": [one["prompt"] for one in content["aie_prompts"]],
        "zero_shot": [one["prompt"] for one in content["zero_shot"]],
    }
    ids = {name: model.tokenizer(of).input_ids for name, of in texts.items()}
    every = [prompt for prompts in ids.values() for prompt in prompts]
    check_window(model, every, "Give shorter prompts, or a model with a longer window.")
    expected = [one["answer_token"] for one in content["aie_prompts"]]
    found = here.run(decoder, _measure, ids, expected, count, list(content["blocks"]))
    return _compare(content, found, theirs)


def _tensor(name: str, content: Mapping[str, Any], shape: list[int]) -> Tensor:
    """The numbers of a field.

    Raises:
        UsageError: when they have another shape.
    """
    try:
        found = torch.tensor(content[name], dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise UsageError(f"{name}: {error}") from error
    if list(found.shape) != shape:
        raise UsageError(
            f"{name} has the shape {list(found.shape)}; for this model {shape} was expected."
        )
    return found


def cells(compared: Sequence[Compared]) -> pd.DataFrame:
    """The comparison as texts."""
    return pd.DataFrame(
        {
            "Quantity": one.name,
            "Equal": f"{one.equal} of {one.compared}",
            "Largest difference": f"{one.difference:.1e}",
        }
        for one in compared
    )


def _check_tokens(model: Model, asked: Sequence[Mapping[str, Any]]) -> None:
    prompts, answers = ([one[name] for one in asked] for name in ("prompt", "answer"))
    for one, tokens in zip(asked, answer_tokens(model.tokenizer, prompts, answers), strict=True):
        if tokens[:1] != [one["answer_token"]]:
            found = f"with {tokens[0]}" if tokens else "with no token of its own"
            raise UsageError(
                f"the answer {one['answer']!r} begins with token {one['answer_token']} "
                f"in the file, and {found} for the tokenizer of {model.name}."
            )


def _measure(
    decoder: Decoder,
    ids: Mapping[str, Sequence[Sequence[int]]],
    expected: Sequence[int],
    count: int,
    blocks: list[int],
) -> Replayed:
    means = mean_heads(decoder, ids["means"])
    found = effects(decoder, ids["effects"], expected, means)
    heads = top_heads(found.effect.mean(dim=0), count)
    vector = summed(contributions(decoder, means.to(decoder.dtype)).float(), heads)
    cached = cache_prompts(decoder, ids["zero_shot"])
    unpatched = unpatched_states(decoder, cached)
    every = list(range(len(unpatched)))

    def placed(block: int) -> Tensor:
        return unpatched[:, block] + vector.to(unpatched)

    added = [
        apply_vectors(decoder, cached, every, [block] * len(every), placed(block))
        for block in blocks
    ]
    return {
        "effect": found.effect,
        "heads": heads,
        "vector": vector,
        "clean": decoder.unembed(unpatched[:, -1]).float(),
        "added": torch.stack([decoder.unembed(states).float() for states in added]),
    }


def _compare(content: Mapping[str, Any], found: Replayed, theirs: Tensor) -> list[Compared]:
    apart = (found["effect"] - theirs).abs()
    vector = (found["vector"] - torch.tensor(content["vector"])).abs()
    mean = found["effect"].mean(dim=0)
    moved, in_place = [], 0
    for (layer, head), (*their_head, effect) in zip(
        found["heads"], content["top_heads"], strict=True
    ):
        moved.append(float(abs(mean[layer, head] - effect)))
        in_place += [layer, head] == their_head or moved[-1] <= TIE
    rows = [
        Compared("Effect of a head on a prompt", apart.numel(), _near(apart), float(apart.max())),
        Compared("Heads of largest mean effect, in order", len(moved), in_place, max(moved)),
        Compared("Entry of the vector", vector.numel(), _near(vector), float(vector.max())),
    ]
    answers = [one["clean"] for one in content["zero_shot"]]
    rows.append(_answers("Answer without the vector", answers, found["clean"]))
    for block, logits in zip(content["blocks"], found["added"], strict=True):
        answers = [one["fv"][str(block)] for one in content["zero_shot"]]
        name = f"Answer with it after block {block}"
        rows.append(_answers(name, answers, logits, found["clean"]))
    return rows


def _answers(
    name: str, answers: Sequence[Mapping[str, Any]], logits: Tensor, clean: Tensor | None = None
) -> Compared:
    """Greedy tokens; the difference is that of the largest change of a logit."""
    same = [one["token"] == token for one, token in zip(answers, logits.argmax(-1), strict=True)]
    difference = 0.0
    if clean is not None:
        changed = (logits - clean).abs().amax(dim=-1)
        theirs = torch.tensor([one["changed"] for one in answers])
        difference = float((changed - theirs).abs().max())
    return Compared(name, len(same), sum(map(bool, same)), difference)


def _near(differences: Tensor) -> int:
    return int((differences <= TOLERANCE).sum())


def main(options: Options) -> int:
    """Measure the prompts again, and print what differs; returns the exit code."""
    content = read_prompts(Path(options.file))
    model = load(options.model, dtype="float32")
    compared = replay(model, content)
    Display().table(cells(compared), f"{model.name}: measured again")
    return FAILURE_EXIT if any(one.equal < one.compared for one in compared) else 0


if __name__ == "__main__":
    command(Options, main, __doc__)
