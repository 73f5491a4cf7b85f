"""Attention heads again, in plain PyTorch: slow, and obviously right.

One prompt at a time, whole, through hooks on the output projection of each block's attention. What
heads write is computed from the weights. It shares no code with tvsight.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tests.helpers.reference import Answer, Reference, TokenIds

PROJECTIONS = {
    "llama": "self_attn.o_proj",
    "mistral": "self_attn.o_proj",
    "mixtral": "self_attn.o_proj",
    "qwen2": "self_attn.o_proj",
    "qwen3": "self_attn.o_proj",
    "olmo2": "self_attn.o_proj",
    "gemma2": "self_attn.o_proj",
    "gemma3_text": "self_attn.o_proj",
    "phi": "self_attn.dense",
    "opt": "self_attn.out_proj",
    "gpt2": "attn.c_proj",
    "gptj": "attn.out_proj",
    "gpt_neox": "attention.dense",
    "bloom": "self_attention.dense",
    "falcon": "self_attention.dense",
}
"""Where the output projection of a block's attention hangs, by transformers' `model_type`."""
NORMS = {"olmo2": ("variance_epsilon", 0.0), "gemma2": ("eps", 1.0), "gemma3_text": ("eps", 1.0)}
"""The families whose blocks normalise their attention's output before they add it: the name of the
norm's constant, and what is added to its weights."""


class HeadsReference(Reference):
    """A checkpoint with hooks on the attention of its blocks."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.kind: str = self.model.config.model_type
        self.heads: int = self.model.config.num_attention_heads
        path = PROJECTIONS[self.kind]
        self.projections = [block.get_submodule(path) for block in self.blocks]
        self.attentions = [block.get_submodule(path.rpartition(".")[0]) for block in self.blocks]

    @torch.no_grad()
    def last_heads(self, prompt: TokenIds) -> Tensor:
        """The heads at the last token, `[depth, heads, head_width]`."""
        read: list[Tensor] = []
        with before(self.projections, lambda _, states: read.append(states[0, -1].clone())):
            self._logits(prompt)
        return torch.stack(read).view(len(read), self.heads, -1)

    @torch.no_grad()
    def answer_with(
        self, prompt: TokenIds, replaced: Sequence[tuple[int, int]], values: Tensor
    ) -> Answer:
        """The next token, where each of the heads `replaced` (block and head) has its value of
        `values` `[depth, heads, head_width]` at the last token."""

        def overwrite(layer: int, states: Tensor) -> None:
            of_heads = states[0, -1].view(self.heads, -1)
            for block, head in replaced:
                if block == layer:
                    of_heads[head] = values[block, head]

        with before(self.projections, overwrite):
            return self.answer(prompt)

    @torch.no_grad()
    def contributions(self, heads: Tensor, normalised: bool = False) -> Tensor:
        """Each head alone through the weights of its projection, `[depth, heads, width]`.

        With `normalised`, at the scale of what the block adds when it has all of `heads`
        `[depth, heads, head_width]`.
        """
        blocks = []
        for block, projection, of_block in zip(self.blocks, self.projections, heads, strict=True):
            by_input = projection.weight if self.kind == "gpt2" else projection.weight.T
            parts = by_input.view(self.heads, -1, by_input.shape[1])
            alone = [head @ part for head, part in zip(of_block, parts, strict=True)]
            written = torch.stack(alone)
            if normalised and self.kind in NORMS:
                constant, added = NORMS[self.kind]
                norm = block.post_attention_layernorm
                square = written.sum(dim=0).square().mean() + getattr(norm, constant)
                written = written * (added + norm.weight) / square.sqrt()
            blocks.append(written)
        return torch.stack(blocks)

    def biases(self) -> Tensor:
        """What each projection writes when all heads are zero, `[depth, width]`."""
        nothing = torch.zeros(self.model.config.hidden_size)
        biases = [getattr(projection, "bias", None) for projection in self.projections]
        return torch.stack([nothing if bias is None else bias.detach() for bias in biases])

    @torch.no_grad()
    def attention_outputs(self, prompt: TokenIds) -> Tensor:
        """What the attention of each block returns at the last token, `[depth, width]`."""
        read: list[Tensor] = []

        def see(arguments: tuple[Any, ...], output: Any) -> None:
            states = output[0] if isinstance(output, tuple) else output
            if self.kind == "bloom":  # its attention adds the residual stream itself
                states = states - arguments[1]
            read.append(states[0, -1].clone())

        with after(self.attentions, see):
            self._logits(prompt)
        return torch.stack(read)

    @torch.no_grad()
    def added(self, prompt: TokenIds) -> Tensor:
        """What each block adds to the residual stream at the last token for its attention,
        `[depth, width]`."""
        if self.kind not in NORMS:
            return self.attention_outputs(prompt)
        read: list[Tensor] = []
        norms = [block.post_attention_layernorm for block in self.blocks]
        with after(norms, lambda _, output: read.append(output[0, -1].clone())):
            self._logits(prompt)
        return torch.stack(read)


@contextmanager
def before(modules: Sequence[nn.Module], see: Callable[[int, Tensor], None]) -> Iterator[None]:
    """While open, `see` is given the number of each module and the states `[1, tokens, size]` that
    go into it, to read or to change in place."""
    handles = [
        module.register_forward_pre_hook(
            lambda module, arguments, number=number: see(number, arguments[0])
        )
        for number, module in enumerate(modules)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def after(modules: Sequence[nn.Module], see: Callable[[Any, Any], None]) -> Iterator[None]:
    """While open, `see` is given the arguments and the output of each module."""
    handles = [
        module.register_forward_hook(lambda module, arguments, output: see(arguments, output))
        for module in modules
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
