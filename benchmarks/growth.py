"""How time and memory grow with episodes, demonstrations and depth, on small random models."""

import resource
import time
from collections.abc import Callable

import torch

from benchmarks.arithmetic import synchronise
from benchmarks.models import random_prompts
from tvsight import execution
from tvsight.experiments.main_results import measure
from tvsight.models.decoder import Decoder
from tvsight.models.random import random_llama

SHAPE = {
    "hidden_size": 512,
    "intermediate_size": 1376,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "vocab_size": 32000,
}
EPISODES = (25, 50, 100, 200)
SHOTS = (1, 4, 8, 16)
DEPTHS = (4, 8, 16)


def report(device: str, say: Callable[[str], None]) -> None:
    """Print seconds for each size, relative to the first, beside the sizes' own ratio."""
    decoder = random_llama(SHAPE, device, torch.float32)
    _seconds(decoder, shots=5, per_split=10)
    by_episodes = {n: _seconds(decoder, shots=5, per_split=n) for n in EPISODES}
    say(f"time against episodes: {_ratios(by_episodes)}")
    by_shots = {n: _seconds(decoder, shots=n, per_split=50) for n in SHOTS}
    say(f"time against demonstrations: {_ratios(by_shots)}")
    by_depth = {
        n: _seconds(random_llama(SHAPE | {"num_hidden_layers": n}, device, torch.float32), 5, 50)
        for n in DEPTHS
    }
    say(f"time against depth (the sweep grows with its square): {_ratios(by_depth)}")
    peaks = []
    for episodes in EPISODES:
        _seconds(decoder, shots=5, per_split=episodes)
        peaks.append(
            f"{episodes}: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB"
        )
    say(f"peak resident memory after so many episodes per split: {', '.join(peaks)}")


def _seconds(decoder: Decoder, shots: int, per_split: int) -> float:
    ((dev, test),) = random_prompts(SHAPE["vocab_size"], 1, shots, per_split)
    started = time.perf_counter()
    execution.run(decoder, measure, dev, test)
    synchronise(decoder.device)
    return time.perf_counter() - started


def _ratios(seconds: dict[int, float]) -> str:
    first = next(iter(seconds))
    return ", ".join(
        f"{n} ({n / first:.0f} x): {taken:.2f} s ({taken / seconds[first]:.2f} x)"
        for n, taken in seconds.items()
    )
