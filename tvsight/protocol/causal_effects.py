"""Causal mediation of attention heads: the indirect effect of each on a task (Todd et al. 2024)."""

from typing import TypedDict, cast

from torch import Tensor

from tvsight.errors import MeasurementError
from tvsight.interventions.decoder import Decoder
from tvsight.methods.function_vector import EFFECT_PROMPTS, effects, mean_heads
from tvsight.prompts.tokens import PromptTokens, whole_prompts
from tvsight.protocol.conditions import Condition, Progress, Prompts, silent


class HeadEffects(TypedDict):
    """The causal effects of every head on the first dev prompts. See `function_vector.Effects`."""

    episodes: list[int]
    """The number of each prompt in the split, `[prompts]`."""
    means: Tensor
    """`[depth, heads, head_width]`."""
    probability: Tensor
    log_probability: Tensor
    effect: Tensor
    """`[prompts, depth, heads]`."""
    log_effect: Tensor


def measure_effects(
    decoder: Decoder, dev: PromptTokens, solved: bool = False, progress: Progress | None = None
) -> HeadEffects:
    """The mean of every head, and its causal effect on the first dev prompts.

    Args:
        solved: only of episodes that in-context learning answers right, as Todd et al. have it.

    Raises:
        MeasurementError: when there are none.
    """
    say = progress or silent
    say("mean heads")
    prompts = whole_prompts(dev)
    kept = solved_episodes(decoder, dev) if solved else list(range(len(prompts)))
    if not kept:
        raise MeasurementError("in-context learning answers no dev query right.")
    means = mean_heads(decoder, [prompts[episode] for episode in kept])
    say("effects")
    first = kept[:EFFECT_PROMPTS]
    shuffled = [dev["shuffled"][episode] for episode in first]
    found = effects(decoder, shuffled, [dev["expected"][episode] for episode in first], means)
    return cast("HeadEffects", {"episodes": first, "means": means.cpu(), **found._asdict()})


def solved_episodes(decoder: Decoder, prompts: PromptTokens) -> list[int]:
    """The numbers of the episodes whose few-shot prompt is answered right."""
    (icl,) = Prompts(decoder, whole_prompts(prompts), prompts["expected"]).read([Condition("icl")])
    pairs = zip(icl["answers"]["token"].tolist(), prompts["accepted"], strict=True)
    return [episode for episode, (token, accepted) in enumerate(pairs) if token in accepted]
