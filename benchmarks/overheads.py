"""What a run costs besides arithmetic, by name."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

REPEATS = 5


def report(model: Any, task: Any, say: Callable[[str], None]) -> None:
    """Print seconds for importing, help, tokenising, tracing, scoring, storing and drawing.

    Args:
        model: a loaded model (`tvsight.models.loading.Model`).
        task: the task that is tokenised and measured.
    """
    from analyses.main_results import draw
    from benchmarks.models import task_prompts
    from tvsight.config import RunConfig
    from tvsight.console import Display
    from tvsight.execution import complete
    from tvsight.experiments.main_results import measure_task
    from tvsight.outcome import Outcome
    from tvsight.prompts import sample_episodes, template, usable_pairs
    from tvsight.scoring import Vocabulary
    from tvsight.store import Result, Store

    say(f"--help: {_median(lambda: _python('-m', 'analyses.main_results', '--help')):.2f} s")
    imports = "import tvsight.models.loading"
    say(f"importing torch, nnsight, transformers: {_median(lambda: _python('-c', imports)):.2f} s")
    say(f"indexing the vocabulary: {_median(lambda: Vocabulary(model.tokenizer), 1):.2f} s")
    say(f"filtering and tokenising a task: {_median(lambda: task_prompts(model, task)):.2f} s")
    traced, bare = _trace(model.decoder)
    say(f"one forward of one token: traced {1000 * traced:.1f} ms, bare {1000 * bare:.1f} ms")
    prompt = template("example")
    usable = usable_pairs(task, model.tokenizer, prompt, model.name)
    episodes = sample_episodes(task.name, usable, 5, 2, 4, seed=0)
    rows, vectors = complete(measure_task(model, task, episodes, prompt), model.decoder)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        identities = iter(range(REPEATS))

        def save() -> None:
            names = {"experiment": "overhead", "model": "m", "task": f"t{next(identities)}"}
            store.save(Result(names), rows, vectors, {"versions": {"tvsight": "-"}})

        say(f"storing {len(rows)} rows and their vectors: {_median(save):.3f} s")
        quiet = Display()
        quiet.console.quiet = True
        outcome, options = Outcome(rows=[rows]), RunConfig(results=folder)
        drawn = _median(lambda: draw(outcome, options, quiet), 2)
        say(f"drawing tables and figures: {drawn:.2f} s")


def _trace(decoder: Any) -> tuple[float, float]:
    import torch

    ids = torch.tensor([[5]])
    arguments = decoder.inputs(ids, torch.ones_like(ids))
    placed = {name: value.to(decoder.device) for name, value in arguments.items()}

    def traced() -> None:
        with decoder.nn.trace(arguments) as tracer:
            decoder.read(decoder.blocks[-1])
            tracer.stop()

    base = decoder.nn._module.get_decoder()
    return _median(traced, 20), _median(lambda: base(**placed), 20)


def _python(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def _median(run: Callable[[], object], repeats: int = REPEATS) -> float:
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)
