"""One standard view of any decoder-only transformer.

Architectures differ in where their blocks are, in what a block returns, and in how the last state
becomes logits. A `Decoder` hides this from interventions. Nothing else in tvsight reads or writes a
residual stream.
"""

from collections.abc import Callable, Iterable
from functools import wraps
from inspect import signature
from threading import RLock
from typing import Any, ParamSpec, TypeVar

import torch
from nnsight import TransformersModel, save
from torch import Tensor
from transformers import DynamicCache

from tvsight.errors import MeasurementError, UsageError, integer, unexpected
from tvsight.interventions.attention import Attention

ALIASES = {
    # Llama, Mistral, Qwen2, Qwen3, OLMo2, Gemma 2 and 3, Phi
    "model.layers": "blocks",
    "model.norm": "final_norm",
    "model.final_layernorm": "final_norm",
    # Gemma 3 with its vision tower
    "model.language_model.layers": "blocks",
    "model.language_model.norm": "final_norm",
    # GPT-2, GPT-J, BLOOM, Falcon
    "transformer.h": "blocks",
    "transformer.ln_f": "final_norm",
    # GPT-NeoX (Pythia)
    "gpt_neox.layers": "blocks",
    "gpt_neox.final_layer_norm": "final_norm",
    "embed_out": "unembed",
    # OPT
    "model.decoder.layers": "blocks",
    "model.decoder.final_layer_norm": "final_norm",
    "model.decoder.project_out": "project_out",
    "lm_head": "unembed",
}
"""The paths to the parts of each architecture, as nnsight aliases. Missing paths do no harm."""
WINDOWS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "max_sequence_length",
    "seq_length",
    "n_ctx",
    "model_max_length",
)
"""The names of the context window in configurations. The first that is there counts."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_LOCK = RLock()


def one_at_a_time(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Decorate a function so that one thread at a time runs any of the decorated functions.

    A trace hooks the modules of its model, and loading changes torch's default precision for the
    whole process. Two threads would silently read each other's states.
    """

    @wraps(function)
    def alone(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with _LOCK:
            return function(*args, **kwargs)

    return alone


class Decoder:
    """A decoder-only model as a stack of blocks that write to one residual stream.

    It travels to a server by source, together with the interventions. So it has the nnsight model
    and plain values only.

    Attributes:
        nn: the nnsight model, with `ALIASES` bound.
        depth: number of blocks.
        width: size of the residual stream.
        vocabulary: number of logits.
        window: length of the longest prompt in tokens; None where the configuration has no limit.
        attention: its heads.
    """

    def __init__(self, nn: TransformersModel) -> None:
        config = nn.config.get_text_config()
        self.nn = nn
        self.depth: int = len(nn.blocks)
        self.width: int = config.hidden_size
        self.vocabulary: int = config.vocab_size
        self.window = context_window(config)
        self.attention = Attention(nn)
        self._softcap: float | None = getattr(config, "final_logit_softcapping", None)
        self._block_returns_tuple = False
        self._takes_positions = False
        self._has_final_norm = hasattr(nn, "final_norm")
        self._has_project_out = hasattr(nn, "project_out")

    @property
    def blocks(self) -> list[Any]:
        """The blocks as nnsight envoys, from first to last."""
        return [self.nn.blocks[index] for index in range(self.depth)]

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of the model."""
        return self.nn.tokenizer

    @property
    def is_edited(self) -> bool:
        """Whether edits of the nnsight model change its states now."""
        return bool(self.nn._edits)

    @property
    def device(self) -> torch.device:
        """The device on which states of all blocks can be combined with other tensors."""
        return self.nn.device

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the weights."""
        return next(self.nn._module.parameters()).dtype

    def block_numbers(self, layers: Iterable[Any]) -> list[int]:
        """Layers as plain integers from 0 to `depth - 1`. Negative numbers are refused.

        Raises:
            UsageError: for any other layer.
        """
        numbers = []
        for layer in layers:
            number = integer(layer)
            if number is None or not 0 <= number < self.depth:
                raise unexpected("layer", f"the number of a block, 0 to {self.depth - 1}", layer)
            numbers.append(number)
        return numbers

    def check_vectors(self, vectors: Tensor, count: int) -> None:
        """Check that `vectors` can be states of the residual stream, `[count, width]`.

        Raises:
            UsageError: when they have another shape or type.
            MeasurementError: when they hold NaN or infinity.
        """
        if list(vectors.shape) != [count, self.width] or not vectors.is_floating_point():
            expected = f"floating-point numbers [{count}, {self.width}], one row for each patch"
            raise unexpected("vectors", expected, vectors)
        if not vectors.isfinite().all():
            raise MeasurementError("A vector holds NaN or infinity. A wider dtype may help.")

    def read(self, block: Any) -> Tensor:
        """Read the residual stream after `block` in a trace: `[rows, positions, width]`."""
        output = block.output
        states = output[0] if self._block_returns_tuple else output
        return self._checked(states)

    def write(self, block: Any, states: Tensor) -> None:
        """Replace the residual stream after `block` by `states` `[rows, positions, width]`."""
        self._checked(states)
        block.output = (states, *block.output[1:]) if self._block_returns_tuple else states

    def skip(self, block: Any, states: Tensor) -> None:
        """Skip `block`, and continue after it with `states` `[rows, positions, width]`."""
        self._checked(states)
        block.skip((states, None) if self._block_returns_tuple else states)

    def unembed(self, states: Tensor) -> Tensor:
        """The logits `[..., vocabulary]` of states `[..., width]` read after the last block."""
        return self.logits(self.readout(states))

    def readout(self, states: Tensor) -> Tensor:
        """The input of the unembedding, from states `[..., width]` read after the last block."""
        if self._has_final_norm:
            states = self.nn.final_norm(states)
        if self._has_project_out:
            states = self.nn.project_out(states)
        return states

    def logits(self, readout: Tensor, tokens: slice | list[int] = slice(None)) -> Tensor:
        """The logits `[..., tokens]` of a part of the vocabulary. With `has_plain_unembedding` only
        these are computed."""
        if self.has_plain_unembedding:
            unembed = self.nn.unembed._module
            bias = None if unembed.bias is None else unembed.bias[tokens]
            weight = unembed.weight[tokens]
            logits = torch.nn.functional.linear(readout.to(weight.device), weight, bias)
        else:
            logits = self.nn.unembed(readout)[..., tokens]
        if self._softcap is not None:
            logits = self._softcap * torch.tanh(logits / self._softcap)
        return logits

    @property
    def has_plain_unembedding(self) -> bool:
        """Whether the weights of the unembedding can be read as one matrix `[vocabulary, width]`:
        not quantised, not split over devices, not kept elsewhere until they are used."""
        unembed = self.nn.unembed._module
        weight = getattr(unembed, "weight", None)
        return (
            type(unembed) is torch.nn.Linear
            and type(weight) is torch.nn.Parameter
            and weight.device.type != "meta"
            and len(weight) == self.vocabulary
        )

    def inputs(self, ids: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """The arguments of a forward for token `ids` `[rows, tokens]`.

        `mask` `[rows, cached + tokens]` is 1 on real tokens. Positions are counted from it, so
        neither padding nor cached keys and values shift a token.
        """
        arguments = {"input_ids": ids, "attention_mask": mask}
        if self._takes_positions:
            positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
            arguments["position_ids"] = positions[:, -ids.shape[1] :]
        return arguments

    def continuing(self, cache: DynamicCache) -> dict[str, Any]:
        """The arguments of a forward that continues from `cache` and adds to it. transformers calls
        the cache `past_key_values` up to 5.23, and `cache` since."""
        known = signature(type(self.nn._module).forward).parameters
        return {"cache" if "cache" in known else "past_key_values": cache, "use_cache": True}

    def observe(self) -> None:
        """Find out what a block returns, by a forward on fake tensors that needs no weights, and
        how wide its heads are."""
        forward = signature(type(self.nn._module).forward).parameters
        self._takes_positions = "position_ids" in forward
        with self.nn.scan({"input_ids": torch.tensor([[1, 2]])}):
            kind = save(type(self.blocks[0].output))
        self._block_returns_tuple = issubclass(kind, tuple)
        self.attention.observe(self.nn)

    def _checked(self, states: Tensor) -> Tensor:
        if states.dim() != 3 or states.shape[-1] != self.width:
            raise UsageError(
                f"A residual stream [rows, positions, {self.width}] was expected after a block, "
                f"got {list(states.shape)}."
            )
        return states


def context_window(config: Any) -> int | None:
    """The length in tokens of the longest prompt that a text model's configuration allows; None
    where it has no limit."""
    named = [getattr(config, name, None) for name in WINDOWS]
    # Some configurations have a negative number where there is no limit.
    return next((size for size in named if type(size) is int and size >= 0), None)


def adapt(nn: TransformersModel) -> Decoder:
    """The standard view of a model.

    Raises:
        UsageError: when the architecture has no blocks or no unembedding at the paths in `ALIASES`.
    """
    name = type(nn._module).__name__
    for part in ("blocks", "unembed"):
        if not hasattr(nn, part):
            paths = [path for path, alias in ALIASES.items() if alias == part]
            raise UsageError(
                f"The architecture {name} is not supported: no {part} at any of {', '.join(paths)}."
            )
    decoder = Decoder(nn)
    decoder.observe()
    return decoder
