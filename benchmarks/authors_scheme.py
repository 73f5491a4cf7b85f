"""The scheme of the paper's authors, for comparison: full prompts in batches, hooks, all logits.

Every prompt is computed from its first token and logits are made at every position. The sweep
continues the zero-shot prompt from a cache by its last token, through all blocks, for each block
that is patched, and unembeds every batch by itself.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tvsight.interventions.batching import padded
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.learning import averaged_vectors
from tvsight.prompts import PromptTokens

BATCH = 50
"""Prompts per forward: all episodes of a split together, as in the paper."""


def measure(decoder: Decoder, dev: PromptTokens, test: PromptTokens) -> dict[str, Tensor]:
    """The answers that `tvsight.protocol.measure` gives, in the authors' way.

    Returns:
        Token ids: `baseline`, `icl`, `task_vector`, `averaged_vector` on test `[episodes]`, and
        `sweep_task_vector`, `sweep_averaged_vector` on dev `[depth, episodes]`.
    """
    scheme = _Scheme(decoder)
    own = {"dev": scheme.vectors(dev), "test": scheme.vectors(test)}
    averaged = {
        "dev": averaged_vectors(own["dev"], dev["others"]),
        "test": averaged_vectors(own["test"], test["others"]),
    }
    asked = [shared + query for shared, query in zip(test["shared"], test["query"], strict=True)]
    result = {"baseline": scheme.answers(test["zero_shot"]), "icl": scheme.answers(asked)}
    for name, vectors in (("task_vector", own), ("averaged_vector", averaged)):
        sweep = scheme.sweep(dev["zero_shot"], vectors["dev"], range(decoder.depth))
        correct = [
            sum(token in right for token, right in zip(row, dev["accepted"], strict=True))
            for row in sweep.tolist()
        ]
        layer = correct.index(max(correct))
        result[f"sweep_{name}"] = sweep
        result[name] = scheme.sweep(test["zero_shot"], vectors["test"], [layer])[0]
    return result


def dummy_prompts(prompts: PromptTokens) -> list[list[int]]:
    """The whole prompts that vectors are read from: of each episode one for each dummy query."""
    return [
        shared + dummy
        for shared, dummies in zip(prompts["shared"], prompts["dummies"], strict=True)
        for dummy in dummies
    ]


class _Scheme:
    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.model = decoder.nn._module
        self.blocks = [block._module for block in decoder.blocks]

    def answers(self, prompts: list[list[int]]) -> Tensor:
        tokens = []
        for start in range(0, len(prompts), BATCH):
            ids, mask = padded(prompts[start : start + BATCH], side="left")
            logits = self.model(**self.inputs(ids, mask)).logits
            tokens.append(logits[:, -1].argmax(dim=-1))
        return torch.cat(tokens)

    def vectors(self, prompts: PromptTokens) -> Tensor:
        """θ of each episode, `[episodes, depth, width]`."""
        full = dummy_prompts(prompts)
        read = []
        for start in range(0, len(full), BATCH):
            ids, mask = padded(full[start : start + BATCH], side="left")
            states: list[Tensor] = []
            with hooked(self.blocks, partial(_keep, states)):
                self.model(**self.inputs(ids, mask))
            read.append(torch.stack(states, dim=1))
        of_prompt = torch.cat(read)
        return of_prompt.view(len(prompts["shared"]), -1, *of_prompt.shape[1:]).mean(dim=1)

    def sweep(self, prompts: list[list[int]], vectors: Tensor, layers: Any) -> Tensor:
        """Answers `[layers, prompts]` with θ applied after each of `layers`."""
        ids, mask = padded(prompts, side="left")
        before = {**self.inputs(ids[:, :-1], mask[:, :-1]), "use_cache": True}
        cache = self.model(**before).past_key_values
        last = self.inputs(ids[:, -1:], mask)
        answers = []
        for layer in layers:
            with hooked([self.blocks[layer]], partial(_write, vectors[:, layer])):
                continued = self.decoder.continuing(deepcopy(cache))
                logits = self.model(**last, **continued).logits
            answers.append(logits[:, -1].argmax(dim=-1))
        return torch.stack(answers)

    def inputs(self, ids: Tensor, mask: Tensor) -> dict[str, Tensor]:
        arguments = self.decoder.inputs(ids, mask)
        return {name: value.to(self.decoder.device) for name, value in arguments.items()}


def _keep(states: list[Tensor], output: Tensor) -> None:
    states.append(output[:, -1].clone())


def _write(vectors: Tensor, output: Tensor) -> None:
    output[:, -1] = vectors


@contextmanager
def hooked(blocks: Iterable[nn.Module], see: Callable[[Tensor], None]) -> Iterator[None]:
    """Call `see` with the output of each of some blocks, before anything else reads it."""

    def hook(_module: Any, _inputs: Any, output: Any) -> None:
        see(output[0] if isinstance(output, tuple) else output)

    handles = [block.register_forward_hook(hook) for block in blocks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
