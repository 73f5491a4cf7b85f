"""The paper's measurement again, in plain PyTorch: slow, and obviously right.

One prompt at a time, whole, without padding, cache or early stop, with all logits, through forward
hooks. It shares no code with tvsight: it takes token ids and plain values.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

TokenIds = list[int]

BLOCKS = {
    "llama": "model.layers",
    "mistral": "model.layers",
    "mixtral": "model.layers",
    "qwen2": "model.layers",
    "qwen3": "model.layers",
    "olmo2": "model.layers",
    "gemma2": "model.layers",
    "gemma3_text": "model.layers",
    "phi": "model.layers",
    "gpt2": "transformer.h",
    "gptj": "transformer.h",
    "bloom": "transformer.h",
    "falcon": "transformer.h",
    "gpt_neox": "gpt_neox.layers",
    "opt": "model.decoder.layers",
}
"""Where the blocks hang, by transformers' `model_type`."""


@dataclass(frozen=True)
class Answer:
    """The greedy next token of one prompt."""

    token: int
    log_probabilities: Tensor
    """Of every token, natural logarithm, `[vocabulary]`."""
    margin: float
    """By how much the first logit leads the second."""


@dataclass(frozen=True)
class Prompts:
    """The complete prompts of one episode, and what counts as an answer."""

    few_shot: TokenIds
    dummies: list[TokenIds]
    zero_shot: TokenIds
    accepted: list[int]


@dataclass(frozen=True)
class Patched:
    """One vector per episode, applied."""

    sweep: list[list[Answer]]
    """Dev answers after each block: `[depth][episodes]`."""
    layer: int
    """The block with the most correct dev answers; of several, the lowest."""
    test: list[Answer]
    """Test answers at `layer`."""


@dataclass(frozen=True)
class Measurement:
    """What `measure` finds; lists have an entry per episode."""

    dev_baseline: list[Answer]
    baseline: list[Answer]
    icl: list[Answer]
    vectors: Tensor
    """θ of the dev and then the test episodes, `[episodes, depth, width]`."""
    task_vector: Patched
    averaged_vector: Patched
    """The same with the mean θ of other episodes of the split."""


class Reference:
    """A checkpoint with hooks on its blocks."""

    def __init__(self, directory: Path) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
        self.blocks = list(self.model.get_submodule(BLOCKS[self.model.config.model_type]))

    @torch.no_grad()
    def residual_streams(self, prompt: TokenIds) -> Tensor:
        """The residual stream at the last token after every block, `[depth, width]`."""
        read: list[Tensor] = []
        with hooked(self.blocks, lambda states: read.append(states[0, -1].clone())):
            self._logits(prompt)
        return torch.stack(read)

    @torch.no_grad()
    def answer(
        self,
        prompt: TokenIds,
        layer: int = 0,
        vector: Tensor | None = None,
        after: Sequence[int] = (),
    ) -> Answer:
        """The next token of the prompt, or of the prompt and the tokens `after` it; with `vector`
        `[width]`, the residual stream at the prompt's last token after block `layer` is overwritten
        by it."""

        def overwrite(states: Tensor) -> None:
            if vector is not None:
                states[0, len(prompt) - 1] = vector

        with hooked([self.blocks[layer]], overwrite):
            logits = self._logits([*prompt, *after])[-1]
        first, second = logits.topk(2).values.tolist()
        return Answer(int(logits.argmax()), logits.log_softmax(dim=-1), first - second)

    def generate(
        self,
        prompt: TokenIds,
        most: int,
        stops: Sequence[int],
        layer: int = 0,
        vector: Tensor | None = None,
    ) -> list[Answer]:
        """The greedy tokens after a prompt up to one of `stops`, at most `most`, each from the
        whole text before it."""
        found: list[Answer] = []
        while len(found) < most and (not found or found[-1].token not in stops):
            tokens = [answer.token for answer in found]
            found.append(self.answer(prompt, layer, vector, tokens))
        return found

    def _logits(self, prompt: TokenIds) -> Tensor:
        """`[tokens, vocabulary]`."""
        return self.model(input_ids=torch.tensor([prompt]), use_cache=False).logits[0]


def measure(
    reference: Reference,
    dev: Sequence[Prompts],
    test: Sequence[Prompts],
    dev_others: Sequence[Sequence[int]],
    test_others: Sequence[Sequence[int]],
) -> Measurement:
    """Baseline, in-context learning, task vectors, their layer sweep and the test at its best.

    Args:
        dev: episodes that choose the layer.
        test: episodes that are reported.
        dev_others: per dev episode, the dev episodes whose vectors are averaged for it.
        test_others: the same for test.
    """
    own_dev, own_test = (
        torch.stack([task_vector(reference, prompts) for prompts in split]) for split in (dev, test)
    )
    mean_dev = torch.stack([own_dev[list(others)].mean(dim=0) for others in dev_others])
    mean_test = torch.stack([own_test[list(others)].mean(dim=0) for others in test_others])
    return Measurement(
        dev_baseline=[reference.answer(prompts.zero_shot) for prompts in dev],
        baseline=[reference.answer(prompts.zero_shot) for prompts in test],
        icl=[reference.answer(prompts.few_shot) for prompts in test],
        vectors=torch.cat([own_dev, own_test]),
        task_vector=apply(reference, dev, test, own_dev, own_test),
        averaged_vector=apply(reference, dev, test, mean_dev, mean_test),
    )


def task_vector(reference: Reference, prompts: Prompts) -> Tensor:
    """θ, the mean over the dummy prompts, `[depth, width]`."""
    return torch.stack([reference.residual_streams(dummy) for dummy in prompts.dummies]).mean(dim=0)


def apply(
    reference: Reference,
    dev: Sequence[Prompts],
    test: Sequence[Prompts],
    dev_vectors: Tensor,
    test_vectors: Tensor,
) -> Patched:
    """Every block on dev, then the best of them on test; vectors are `[episodes, depth, width]`."""

    def patched(episodes: Sequence[Prompts], vectors: Tensor, layer: int) -> list[Answer]:
        return [
            reference.answer(prompts.zero_shot, layer, vector[layer])
            for prompts, vector in zip(episodes, vectors, strict=True)
        ]

    sweep = [patched(dev, dev_vectors, layer) for layer in range(len(reference.blocks))]
    correct = [
        sum(answer.token in prompts.accepted for answer, prompts in zip(answers, dev, strict=True))
        for answers in sweep
    ]
    layer = max(range(len(sweep)), key=lambda layer: (correct[layer], -layer))
    return Patched(sweep, layer, patched(test, test_vectors, layer))


@contextmanager
def hooked(blocks: Sequence[nn.Module], see: Callable[[Tensor], None]) -> Iterator[None]:
    """While open, `see` is given each block's output states `[1, tokens, width]`, to read or to
    change in place."""

    def hook(module: nn.Module, arguments: Any, output: Any) -> None:
        see(output[0] if isinstance(output, tuple) else output)

    handles = [block.register_forward_hook(hook) for block in blocks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
