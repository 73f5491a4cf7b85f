"""Steering: a vector is added at every generated position, for a while, and text is generated."""

from collections.abc import Iterator, Sequence
from inspect import signature
from typing import Any

import torch
from nnsight import save
from nnsight.intervention.interleaver import OutOfOrderError
from torch import Tensor
from transformers import DynamicCache

from tvsight.interventions.batching import batches, halving, in_order, padded, positions_per_forward
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.traces import TokenIds


def steered(decoder: Decoder, layer: int, vector: Tensor) -> Any:
    """A copy of the nnsight model with one more edit, its last, which adds a vector to the residual
    stream at the last position of every forward of a block.

    In a generation these are the prompt's last token and each generated one. The copy shares the
    weights; the model itself stays as it is.

    Args:
        vector: `[width]`, in the precision of the model.
    """
    with decoder.nn.edit() as (tracer, edited):
        block = edited.blocks[layer]
        for step in tracer.iter[:]:
            try:
                states = decoder.read(block).clone()
            except OutOfOrderError:  # the run has no further forward
                if step == 0:
                    raise
                break
            states[:, -1] += vector.to(states.device)
            decoder.write(block, states)
    return edited


def generate(
    decoder: Decoder, prompts: Sequence[TokenIds], most: int, stops: Sequence[int] = ()
) -> list[list[int]]:
    """The tokens that follow each prompt, greedily, up to and with the end of the text.

    All forwards of a batch are those of one trace, as in the model's own `generate`, so edits of
    the model hold. Of the checkpoint's settings of generation only the tokens that end a text
    count.

    Args:
        most: the largest number of tokens.
        stops: further tokens that end a text.
    """
    ends = end_tokens(decoder.nn._module) | {*stops}
    lengths = [len(prompt) + most for prompt in prompts]

    def run(rows: list[int]) -> list[list[int]]:
        return _generated(decoder, [prompts[row] for row in rows], most, ends)

    together = batches(lengths, positions_per_forward(decoder))
    parts = (part for batch in together for part in halving(run, batch))
    return in_order(parts, len(prompts))


def _generated(
    decoder: Decoder, prompts: Sequence[TokenIds], most: int, ends: set[int]
) -> list[list[int]]:
    """The same for prompts that run together."""
    ids, mask = padded(prompts, side="left")
    module = decoder.nn._module
    # A prompt's logits but the last would only fill the memory.
    known = signature(type(module).forward).parameters
    last = {"logits_to_keep": 1} if "logits_to_keep" in known else {}

    def greedily(input_ids: Tensor, attention_mask: Tensor, **further: Any) -> list[list[int]]:
        # nnsight brings positions of its own where there is padding.
        cache = decoder.continuing(DynamicCache(config=decoder.nn.config))
        mask, texts = attention_mask, [list[int]() for _ in prompts]
        going = set(range(len(prompts)))
        for _ in range(most):
            logits = module(**decoder.inputs(input_ids, mask), **cache, **last).logits
            tokens = logits[:, -1].argmax(dim=-1)
            for row, token in enumerate(tokens.tolist()):
                if row in going:
                    texts[row].append(token)
                    going -= {row} if token in ends else set()
            if not going:
                break
            input_ids = tokens[:, None]
            mask = torch.nn.functional.pad(mask, (0, 1), value=1)
        return texts

    arguments = {"input_ids": ids, "attention_mask": mask}
    with decoder.nn.trace(arguments, fn=greedily) as tracer:
        found: list[list[int]] = save(tracer.result)
    return found


def end_tokens(module: Any) -> set[int]:
    """The tokens that end a text, by a model's settings of generation."""
    return set(_whole_numbers(getattr(module.generation_config, "eos_token_id", None)))


def _whole_numbers(value: Any) -> Iterator[int]:
    if isinstance(value, list | tuple):
        for part in value:
            yield from _whole_numbers(part)
    elif type(value) is int:
        yield value
