"""The costs of a run besides arithmetic, by name."""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

REPEATS = 5
COMMITTED = Path(__file__).parent.parent / "results" / "main_results"
"""The rows of the embedded model on the paper's 18 tasks, at several numbers of demonstrations:
what `--redraw` is timed on."""
IMPORTS = "import tvsight.models.loading"

Say = Callable[[str], None]


def report(load: Callable[[], Any], task: Any, say: Say) -> None:
    """Print seconds for each part of a run that is not arithmetic.

    Args:
        load: loads a model (`tvsight.models.loading.Model`).
        task: the task that is tokenised and measured.
    """
    say("overheads (medians):")

    def line(name: str, seconds: float) -> None:
        say(f"  {name}: {seconds:.3f} s")

    line("analyses.main_results --help", _median(lambda: _analysis("--help")))
    line("import torch, nnsight, transformers", _median(lambda: _python("-c", IMPORTS)))
    line("load the model (files cached, already imported)", _median(load, 2))
    model = load()
    _report_tokens(model, task, line)
    traced, bare = _trace(model.decoder)
    line(f"trace set-up (traced {1e3 * traced:.1f} ms, bare {1e3 * bare:.1f} ms)", traced - bare)
    say(f"  apply a vector against a bare forward of its tokens: {_applied(model, task)}")
    _report_rows(model, task, line)
    _report_redraw(line)


def _report_tokens(model: Any, task: Any, line: Callable[[str, float], None]) -> None:
    from benchmarks.models import task_prompts
    from tvsight.tasks.matching import Vocabulary

    line("index the vocabulary, once a model", _median(lambda: Vocabulary(model.tokenizer), 2))
    task_prompts(model, task)
    line("filter, sample and tokenise a task", _median(lambda: task_prompts(model, task)))


def _report_rows(model: Any, task: Any, line: Callable[[str, float], None]) -> None:
    """Scoring, storing and drawing one task of the paper's size."""
    from tvsight import execution
    from tvsight.config import RunConfig
    from tvsight.experiments.main_results import NAME
    from tvsight.experiments.main_results.report import draw
    from tvsight.experiments.main_results.request import requests
    from tvsight.output.console import Display
    from tvsight.output.drawn import Drawn
    from tvsight.run.outcome import Measured, Outcome, Stored
    from tvsight.run.planning import read_plan
    from tvsight.storage.manifests import Key
    from tvsight.storage.store import Result, Store

    (request,) = requests(read_plan(RunConfig(tasks=task.name)), model.source)
    (job,) = next(request.steps(model))
    answered = execution.run(model.decoder, job.function, *job.arguments)

    def scored() -> tuple[float, Measured]:
        steps = request.steps(model)
        next(steps)
        started = time.perf_counter()
        try:
            steps.send([answered])
        except StopIteration as end:
            return time.perf_counter() - started, end.value
        raise AssertionError("a task is one job")

    runs = [scored() for _ in range(REPEATS)]
    rows, vectors = runs[0][1].rows, runs[0][1].vectors
    line(f"score {len(rows)} rows of a task", statistics.median(taken for taken, _ in runs))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        identities = count()

        def save() -> None:
            names = {"experiment": "overhead", "model": "m", "task": f"t{next(identities)}"}
            store.save(Result(names), rows, vectors, {"versions": {"tvsight": "-"}})

        line("store them and their vectors", _median(save))
        quiet = Display()
        quiet.console.quiet = True
        outcome = Outcome([Stored(Key(model.name, task.name), Path(NAME), rows)])
        options = RunConfig(results=folder)

        def drawing() -> None:
            draw(outcome, options, quiet, Drawn(options, NAME))

        line("draw tables and figures of one task", _median(drawing, 3))


def _report_redraw(line: Callable[[str, float], None]) -> None:
    """`--redraw` as a whole command, on a copy of the committed rows."""
    results = len(list(COMMITTED.glob("*/*/manifest.json")))
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(COMMITTED, Path(folder) / COMMITTED.name)
        seconds = _median(lambda: _analysis("--redraw", "--results", folder), 3)
        drawn = len(list(Path(folder).glob("figures/*.png")))
    line(f"analyses.main_results --redraw ({results} results, {drawn} figures)", seconds)


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


def _applied(model: Any, task: Any) -> str:
    """The time of `Vector.apply` on a zero-shot prompt, as a multiple of that of the model of
    transformers on the same tokens, as it is called by default: with the logits of each token."""
    import torch

    from tvsight.library.model import LoadedModel
    from tvsight.library.vector import Vector
    from tvsight.prompts import templates

    decoder, query = model.decoder, task.pairs[0].input
    loaded = LoadedModel(**vars(model))
    theta = Vector(loaded, task.name, torch.zeros(decoder.depth, decoder.width), layer=1)
    prompt = templates.template("example").query(f" {query}")
    inputs = model.tokenizer(prompt, return_tensors="pt").to(decoder.device)

    def bare() -> None:
        with torch.inference_mode():
            decoder.nn._module(**inputs)

    theta.apply(query)
    bare()
    call, forward = _median(lambda: theta.apply(query), 20), _median(bare, 20)
    return f"{call / forward:.2f} x ({1e3 * call:.1f} ms, {1e3 * forward:.1f} ms)"


def _analysis(*arguments: str) -> None:
    _python("-m", "analyses.main_results", *arguments)


def _python(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def _median(run: Callable[[], object], repeats: int = REPEATS) -> float:
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)
