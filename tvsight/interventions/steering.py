"""Steering: a vector is added at every generated position, for a while, and text is generated."""

import torch
from nnsight import save
from torch import Tensor

from tvsight.interventions.decoder import Decoder
from tvsight.interventions.traces import TokenIds


class Steered:
    """Adds a vector to the residual stream at the last position of every forward of a block.

    In a generation these are the prompt's last token and each generated one. It is an nnsight edit
    of a copy of the model's envoy, which takes the envoy's place in a `with` block. So it holds for
    every trace of the model, others may be stacked on it, and whatever ends the block ends it. A
    class, because a server gets a function's source without its decorators.
    """

    def __init__(self, decoder: Decoder, layer: int, vector: Tensor) -> None:
        """Prepare it.

        Args:
            vector: `[width]`, in the precision of the model.
        """
        self.decoder = decoder
        self.layer = layer
        self.vector = vector
        self.before = decoder.nn

    def __enter__(self) -> None:
        decoder, layer, vector = self.decoder, self.layer, self.vector
        self.before = decoder.nn
        with self.before.edit() as (tracer, edited):
            block = edited.blocks[layer]
            for _ in tracer.iter[:]:
                states = decoder.read(block).clone()
                states[:, -1] += vector.to(states.device)
                decoder.write(block, states)
        decoder.nn = edited

    def __exit__(self, *_: object) -> None:
        self.decoder.nn = self.before


def generate(decoder: Decoder, tokens: TokenIds, most: int) -> list[int]:
    """The tokens that follow a prompt, greedily, up to and with the end of the text.

    Edits of the model hold. Penalties and sampling in the checkpoint's own settings do not.

    Args:
        most: the largest number of tokens.
    """
    ids = torch.tensor([list(tokens)])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    greedy = {"do_sample": False, "num_beams": 1, "repetition_penalty": 1.0}
    with decoder.nn.generate(inputs, max_new_tokens=most, **greedy) as tracer:
        found = save(tracer.result)
    following: list[int] = found[0, len(tokens) :].tolist()
    return following
