"""One standard view of the attention heads of any decoder-only transformer.

A head is its slice of the input of the attention's output projection (Todd et al. 2024, section 2).
"""

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import torch
from nnsight import TransformersModel, save
from nnsight.intervention.interleaver import OutOfOrderError
from torch import Tensor

from tvsight.errors import MeasurementError, RefusedError, integer, unexpected

PROJECTIONS = (
    "self_attn.o_proj",  # Llama, Mistral, Qwen2, Qwen3, OLMo2, Gemma 2 and 3
    "self_attn.dense",  # Phi
    "self_attn.out_proj",  # OPT
    "attn.c_proj",  # GPT-2
    "attn.out_proj",  # GPT-J
    "attention.dense",  # GPT-NeoX (Pythia)
    "self_attention.dense",  # BLOOM, Falcon
)
"""The paths in a block to the output projection of its attention. The first that exists counts."""

Head = tuple[int, int]
"""The 0-based number of a block, and of an attention head in it."""


class Attention:
    """The attention heads of a model. Blocks are nnsight envoys, as `Decoder.blocks` has them.

    It travels to a server with its `Decoder`, so it has plain values only.

    Attributes:
        depth: number of blocks.
        heads: number of heads in a block; 0 where they cannot be told apart.
        head_width: size of a head, which is not the model's width / heads everywhere.
        normalises_output: whether a block normalises its attention's output before adding it to
            the residual stream (Gemma 2 and 3, OLMo2).
    """

    def __init__(self, nn: TransformersModel) -> None:
        block = nn.blocks[0]._module
        self.depth: int = len(nn.blocks)
        self.heads = 0
        self.head_width = 0
        # Elsewhere `post_attention_layernorm` stands before the feed-forward part.
        self.normalises_output = hasattr(block, "post_feedforward_layernorm")
        self._of = type(nn._module).__name__
        self._path = next((path for path in PROJECTIONS if _has(block, path)), "")
        self._why = "they were not looked for"

    def observe(self, nn: TransformersModel) -> None:
        """Find out how wide heads are, by a forward on fake tensors that needs no weights; or why
        they cannot be told apart."""
        heads = integer(getattr(nn.config.get_text_config(), "num_attention_heads", None))
        if not self._path:
            known = ", ".join(PROJECTIONS)
            self._why = f"its blocks have no output projection at any of {known}"
            return
        if not heads:
            self._why = "its configuration names no number of attention heads"
            return
        try:
            with nn.scan({"input_ids": torch.tensor([[1, 2]])}) as tracer:
                size = save(self.projection(nn.blocks[0]).input.shape[-1])
                tracer.stop()
        except OutOfOrderError:  # as in BLOOM's `slow_but_exact`
            self._why = f"its blocks use the weights of {self._path} without calling it as a module"
            return
        if size % heads:
            self._why = (
                f"the input of {self._path}, {size} numbers, is no multiple of {heads} heads"
            )
            return
        self.heads, self.head_width = heads, size // heads

    def read(self, block: Any) -> Tensor:
        """Read the heads of a block in a trace: `[rows, positions, heads, head_width]`."""
        return self.projection(block).input.unflatten(-1, (self.heads, self.head_width))

    def write(self, block: Any, states: Tensor) -> None:
        """Replace the heads of a block by `states` `[rows, positions, heads, head_width]`."""
        self.projection(block).input = states.flatten(-2)

    def probabilities(self, block: Any) -> Tensor:
        """Read how much each token attends to each, in a trace: `[rows, heads, tokens, tokens]`.

        Raises:
            UsageError: when the block does not compute them; see `patterns.Eager`.
        """
        output = attrgetter(self._path.rpartition(".")[0])(block).output
        found = output[1] if isinstance(output, tuple) and len(output) > 1 else None
        if not isinstance(found, Tensor):
            raise RefusedError(f"The attention of {self._of} does not return its probabilities.")
        return found

    def project(self, block: Any, states: Tensor) -> Tensor:
        """The sum of what heads `[..., heads, head_width]` write, without a bias: `[..., width]`.
        A head that is zero writes nothing."""
        projection = self.projection(block)
        flat = states.flatten(-2)
        projected: Tensor = projection(flat)
        if getattr(projection._module, "bias", None) is not None:
            projected = projected - projection(torch.zeros_like(flat))
        return projected

    def normalise(self, block: Any, states: Tensor) -> Tensor:
        """The attention's output `[..., width]` as the block adds it to the residual stream."""
        if not self.normalises_output:
            return states
        return block.post_attention_layernorm(states)

    def check(self, heads: Iterable[Head] = ()) -> None:
        """Check that the heads of this model can be read and replaced.

        Args:
            heads: some of them, which must exist.

        Raises:
            RefusedError: when they cannot.
            UsageError: when one does not exist.
        """
        if not self.heads:
            raise RefusedError(
                f"The attention heads of {self._of} cannot be told apart: {self._why}."
            )
        for head in heads:
            if not self._exists(head):
                head_in_it = f"a head in it, 0 to {self.heads - 1}"
                raise unexpected("head", f"a block, 0 to {self.depth - 1}, and {head_in_it}", head)

    def check_values(self, values: Tensor, name: str) -> None:
        """Check that `values`, which errors call `name`, can be a value for every head of this
        model, `[depth, heads, head_width]`.

        Raises:
            RefusedError: when its heads cannot be told apart.
            UsageError: when values have another shape or type.
            MeasurementError: when they hold NaN or infinity.
        """
        self.check()
        shape = [self.depth, self.heads, self.head_width]
        if list(values.shape) != shape or not values.is_floating_point():
            expected = f"floating-point numbers {shape}, a value for every head"
            raise unexpected(name, expected, values)
        if not values.isfinite().all():
            raise MeasurementError("A head holds NaN or infinity. A wider dtype may help.")

    def _exists(self, head: Any) -> bool:
        try:
            layer, number = map(integer, head)
        except (TypeError, ValueError):  # no pair
            return False
        if layer is None or number is None:
            return False
        return 0 <= layer < self.depth and 0 <= number < self.heads

    def projection(self, block: Any) -> Any:
        """The output projection of the attention of a block. Its input is the heads."""
        return attrgetter(self._path)(block)


def _has(block: Any, path: str) -> bool:
    try:
        return attrgetter(path)(block) is not None
    except AttributeError:
        return False
