"""Check the standard view of a model once per load, on its real weights."""

import torch
from nnsight import save
from torch import Tensor

from tvsight.errors import UsageError, option
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.learning import last_states

PROMPT = list(range(5, 17))
"""Token ids that exist in every vocabulary."""
SHORTEST = 3
"""Tokens of the shortest prompt with two prefixes of unequal length."""


def validate(decoder: Decoder) -> None:
    """Check what interventions assume of a model.

    Raises:
        UsageError: when no prompt fits the context window, the logits are not finite or favour no
            token, unembedding the last block's output does not reproduce them, or the last token's
            state depends on the padding or the cache before it.
    """
    prompt = PROMPT[: decoder.window]
    if len(prompt) < SHORTEST:
        raise UsageError(
            f"The context window of this model is {decoder.window} tokens, which no prompt fits; "
            f"at least {SHORTEST} were expected."
        )
    ids = torch.tensor([prompt])
    with decoder.nn.trace(decoder.inputs(ids, torch.ones_like(ids))):
        last = save(decoder.read(decoder.blocks[-1]))
        logits = save(decoder.nn.output.logits)
    tolerance = 1e-4 if logits.dtype == torch.float32 else 5e-2
    name = type(decoder.nn._module).__name__
    favoured = logits.float()[0, -1].max() - logits.float()[0, -1].min()
    if not (logits.isfinite().all() and favoured > 0):
        problem = "the same for every token" if logits.isfinite().all() else "not finite"
        raise UsageError(
            f"The logits of this {name} are {problem} in {decoder.dtype}: its weights or its "
            f"config.json are damaged, or the precision is too low ({option('dtype')})."
        )
    gap = _gap(decoder.unembed(last), logits)
    if not gap <= tolerance:
        raise UsageError(
            f"{name} is not supported: unembedding the last block's output differs from the "
            f"model's logits by {gap:.2g} of their range."
        )
    # Run together, the shorter of two prefixes is padded.
    lengths = (len(prompt) - 2, len(prompt) - 1)
    prefixes = [prompt[:length] for length in lengths]
    continuations = [[prompt[length:]] for length in lengths]
    continued = last_states(decoder, prefixes, continuations)
    gap = max(_gap(states[0, -1], last[0, -1]) for states in continued)
    if not gap <= tolerance:
        raise UsageError(
            f"{name} is not supported: a prompt that continues a padded prefix from its keys and "
            f"values ends in another state (by {gap:.2g} of its range). It counts positions, or "
            "keeps what came before, in a way of its own."
        )


def _gap(found: Tensor, wanted: Tensor) -> float:
    """The largest difference, over the largest value."""
    scale = wanted.float().abs().max().clamp(min=1.0)
    difference = found.float() - wanted.to(found.device).float()
    return float(difference.abs().max() / scale)
