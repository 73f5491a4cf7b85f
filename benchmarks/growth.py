"""The growth of time and memory with episodes, demonstrations and depth, on small random models.

python -m benchmarks.growth 100 cpu     one size alone: prints GB before and after 100 episodes
"""

import subprocess
import sys
import time
from collections.abc import Callable

import torch

from benchmarks.memory import peak_gigabytes
from benchmarks.models import random_prompts
from benchmarks.rates import synchronise
from tvsight import execution
from tvsight.config import RunConfig
from tvsight.experiments.main_results.measure import measure
from tvsight.experiments.main_results.request import in_parts
from tvsight.interventions.decoder import Decoder
from tvsight.models.random import random_llama
from tvsight.prompts import PromptTokens

SHAPE = {
    "hidden_size": 512,
    "intermediate_size": 1376,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "vocab_size": 32000,
}
SHOTS, PER_SPLIT = 5, 50
EPISODES = (25, 50, 100, 200)
HELD_EPISODES = (50, 100, 200, 400, 800)
"""Of which memory is measured: up to a job's, and several jobs'."""
DEMONSTRATIONS = (1, 4, 8, 16)
DEPTHS = (4, 8, 16)

Say = Callable[[str], None]


def report(device: str, say: Say) -> None:
    """Print seconds and memory for each size."""
    decoder = random_llama(SHAPE, device, torch.float32)
    _seconds(decoder, *_prompts(SHOTS, 10))
    _report_episodes(decoder, say)
    _report_demonstrations(decoder, say)
    _report_depth(device, say)
    if decoder.device.type == "cpu":
        _report_memory(decoder, say)


def _report_episodes(decoder: Decoder, say: Say) -> None:
    say("time against episodes per split:")
    base = 0.0
    for episodes in EPISODES:
        taken = _seconds(decoder, *_prompts(SHOTS, episodes))
        base = base or taken
        say(f"  {episodes} ({episodes / EPISODES[0]:.0f} x): {_times(taken, base)}")


def _report_demonstrations(decoder: Decoder, say: Say) -> None:
    say("time against demonstrations, and the shared tokens of their prompts:")
    sizes: list[tuple[int, float]] = []
    for shots in DEMONSTRATIONS:
        prompts = _prompts(shots, PER_SPLIT)
        sizes.append((_shared_tokens(*prompts), _seconds(decoder, *prompts)))
        (first, base), (tokens, taken) = sizes[0], sizes[-1]
        line = f"  {shots}: {tokens} shared tokens ({tokens / first:.1f} x), {_times(taken, base)}"
        if len(sizes) > 1:
            before, earlier = sizes[-2]
            line += f", {1e6 * (taken - earlier) / (tokens - before):.0f} µs a token more"
        say(line)


def _report_depth(device: str, say: Say) -> None:
    say("time against depth (the sweep grows with its square):")
    base = 0.0
    for depth in DEPTHS:
        decoder = random_llama(SHAPE | {"num_hidden_layers": depth}, device, torch.float32)
        taken = _seconds(decoder, *_prompts(SHOTS, PER_SPLIT))
        base = base or taken
        say(f"  {depth} ({depth / DEPTHS[0]:.0f} x): {_times(taken, base)}")


def _report_memory(decoder: Decoder, say: Say) -> None:
    """Each size in a process of its own, because a peak never falls."""
    most = RunConfig().max_job_episodes
    say(
        f"peak resident memory against episodes per split, in jobs of at most {most}, each in a "
        "fresh process:"
    )
    peaks = {}
    for episodes in HELD_EPISODES:
        command = [sys.executable, "-m", __name__, str(episodes), str(decoder.device)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        before, after = map(float, told.split())
        peaks[episodes] = after
        say(f"  {episodes}: {before:.2f} GB with the model loaded, {after:.2f} GB at the end")
    a_state = decoder.depth * decoder.width * decoder.dtype.itemsize
    dev, _ = _prompts(SHOTS, most)
    cached = 2 * a_state * sum(len(p) - 1 for p in dev["zero_shot"]) / len(dev["zero_shot"])
    first, last = HELD_EPISODES[0], HELD_EPISODES[-1]
    within, beyond = (
        1e3 * (peaks[end] - peaks[start]) / (end - start)
        for start, end in ((first, most), (most, last))
    )
    say(
        f"  an episode more takes {within:.2f} MB in its job: the keys and values of its zero-shot "
        f"prompt ({cached / 1e6:.2f} MB) and, {a_state / 1e6:.3f} MB each, one state per block of "
        f"its vectors, patches and answers; beyond one job it takes {beyond:.2f} MB"
    )


def _seconds(decoder: Decoder, dev: PromptTokens, test: PromptTokens) -> float:
    started = time.perf_counter()
    execution.run(decoder, measure, dev, test)
    synchronise(decoder.device)
    return time.perf_counter() - started


def _prompts(shots: int, per_split: int) -> tuple[PromptTokens, PromptTokens]:
    return next(random_prompts(SHAPE["vocab_size"], 1, shots, per_split))


def _shared_tokens(dev: PromptTokens, test: PromptTokens) -> int:
    return sum(len(shared) for side in (dev, test) for shared in side["shared"])


def _times(taken: float, base: float) -> str:
    return f"{taken:.2f} s ({taken / base:.2f} x)"


def _alone(episodes: int, device: str) -> None:
    """Print peak memory before and after measuring so many episodes."""
    decoder = random_llama(SHAPE, device, torch.float32)
    before = peak_gigabytes()
    steps = in_parts(decoder, *_prompts(SHOTS, episodes), True, RunConfig().max_job_episodes)
    execution.complete(steps, decoder)
    print(before, peak_gigabytes())


if __name__ == "__main__":
    _alone(int(sys.argv[1]), sys.argv[2])
