"""The speed of the causal effects of all attention heads, as ratios within one run.

Against the way of the function-vector authors (one whole prompt per forward, batch 1, logits at
every position, one forward per head and one per prompt of the means) on the same ten-shot prompts,
and against the floor: the operations that cannot be left out over this device's own rate of matrix
products. Theirs runs on the first prompts of each task and is scaled by the number of forwards.

    python -m benchmarks.heads                          the embedded model, six tasks
    python -m benchmarks.heads --tasks antonyms --their-prompts 5
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from tvsight.cli.command import command
from tvsight.models.catalogue import EMBEDDED

if TYPE_CHECKING:
    from torch import Tensor

    from tvsight.interventions.decoder import Decoder
    from tvsight.prompts.tokens import PromptTokens

SIX = "antonyms,country_capital,en_fr,present_simple_past_simple,to_upper,next_letter"


@dataclass(frozen=True)
class Options:
    """The model, tasks and device of the benchmark."""

    model: Annotated[str, tyro.conf.arg(metavar="NAME")] = EMBEDDED
    """Model whose heads are measured."""
    tasks: Annotated[str, tyro.conf.arg(metavar="SELECTION")] = SIX
    """Tasks, as `analyses.main_results` takes them."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to run."""
    shots: Annotated[int, tyro.conf.arg(metavar="N")] = 10
    """Demonstrations per prompt; the authors have 10."""
    their_prompts: Annotated[int, tyro.conf.arg(metavar="N")] = 1
    """Prompts of each task that the authors' way measures."""


def main(options: Options) -> int:
    """Measure and print."""
    from benchmarks.arithmetic import best_rates, work_of_heads
    from benchmarks.models import method_prompts
    from tvsight.execution import here
    from tvsight.methods.function_vector import EFFECT_PROMPTS
    from tvsight.models.loading import load
    from tvsight.protocol.causal_effects import measure_effects
    from tvsight.tasks import select

    model = load(options.model, device=options.device)
    decoder = model.decoder
    heads = decoder.depth * decoder.attention.heads
    print(f"{model.name}: {heads} heads, {EFFECT_PROMPTS} prompts of {options.shots} shots a task")
    rates = best_rates(decoder)
    total = {"tvsight": 0.0, "theirs": 0.0, "floor": 0.0}
    apart = 0.0
    for task in select(options.tasks):
        prompts = method_prompts(model, task, options.shots)
        found, seconds = timed(partial(here.run, decoder, measure_effects, prompts))
        way = partial(their_way, decoder, prompts, found["means"], options.their_prompts)
        effect, their_seconds = timed(way)
        # Forwards of all effects and means, over those that were run.
        forwards = EFFECT_PROMPTS * (1 + heads) + len(prompts["shared"])
        their_seconds *= forwards / (options.their_prompts * (1 + heads))
        ours = found["effect"][: options.their_prompts]
        apart = max(apart, float((ours - effect).abs().max()))
        total["tvsight"] += seconds
        total["theirs"] += their_seconds
        total["floor"] += work_of_heads(decoder, prompts, EFFECT_PROMPTS).seconds(*rates)
        print(f"{task.name}: tvsight {seconds:.1f} s, the authors' way {their_seconds:.0f} s")
    print(
        f"all: {total['theirs'] / total['tvsight']:.0f} times less time than the authors' way, "
        f"{total['tvsight'] / total['floor']:.2f} times the floor; effects differ by at most "
        f"{apart:.1e}"
    )
    return 0


def their_way(decoder: "Decoder", prompts: "PromptTokens", means: "Tensor", count: int) -> "Tensor":
    """Effects `[count, depth, heads]`, by one whole forward per prompt and head."""
    import torch

    module, attention = decoder.nn._module, decoder.attention

    @torch.no_grad()
    def probability(prompt: list[int], token: int, layer: int = -1, head: int = 0) -> float:
        def replace(_: Any, arguments: tuple["Tensor", ...]) -> tuple["Tensor", ...]:
            states = arguments[0].clone()
            width = attention.head_width
            states[0, -1, head * width : (head + 1) * width] = means[layer, head].to(states)
            return (states, *arguments[1:])

        handles = []
        if layer >= 0:
            projection = attention.projection(decoder.blocks[layer])._module
            handles = [projection.register_forward_pre_hook(replace)]
        logits = module(torch.tensor([prompt], device=decoder.device), use_cache=False).logits
        for handle in handles:
            handle.remove()
        return float(logits[0, -1].float().softmax(dim=-1)[token])

    effect = torch.zeros(count, decoder.depth, attention.heads)
    for row in range(count):
        asked = (prompts["shuffled"][row], prompts["expected"][row])
        clean = probability(*asked)
        for layer in range(decoder.depth):
            for head in range(attention.heads):
                effect[row, layer, head] = probability(*asked, layer, head) - clean
    return effect


def timed(run: Callable[[], Any]) -> tuple[Any, float]:
    """The result of a measurement, which is on the CPU, so that a GPU has finished; its seconds."""
    began = time.perf_counter()
    result = run()
    return result, time.perf_counter() - began


if __name__ == "__main__":
    command(Options, main, __doc__)
