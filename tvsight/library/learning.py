"""Learn the vector of a task, choose its block on dev, and test it; or read it from a file."""

from collections.abc import Callable
from os import PathLike
from typing import Any

from torch import Tensor

from tvsight.config import LEAST, RunConfig
from tvsight.errors import in_python
from tvsight.interventions.decoder import one_at_a_time
from tvsight.library import files, measure
from tvsight.library.arguments import as_method, as_path, as_task, as_template, whole
from tvsight.library.model import LoadedModel, check_loaded, check_model
from tvsight.library.origin import Origin
from tvsight.library.report import Report
from tvsight.library.vector import Vector
from tvsight.methods.method import Method
from tvsight.prompts import Template
from tvsight.protocol.rows import asked, finite_vectors, frame, method_tokens, scored
from tvsight.run.planning import Plan


@in_python()
@one_at_a_time
def task_vector(
    model: LoadedModel,
    task: Any,
    episodes: int = 50,
    shots: int = 5,
    seed: int = 0,
    method: "str | PathLike[str] | Method | Callable[..., Tensor]" = "task_vector",
    prompt: Template | str | None = None,
) -> Vector:
    """Learn one vector of a task: the mean over its dev episodes.

    The episodes and the protocol are those of the central comparison, where each episode has a
    vector of its own: the vector is applied after every block on dev, and on test after the block
    that is best there. The report of the result has the accuracies.

    Args:
        task: a task, the name of a packaged one, or pairs, as `tvsight.Task.of` takes them.
        episodes: number of dev episodes that it is extracted from; as many test it.
        shots: demonstrations of an episode.
        method: `task_vector`, `averaged_vector`, `mean_state` or `function_vector`; the path of a
            file as in docs/adding_a_method.md, which is run; its function `learn`, or a `Method`.
        prompt: a template, or the name or text of one; by default the paper's.

    Raises:
        UsageError: for an argument of the wrong kind, an unknown name, too few pairs that suit the
            model's tokenizer, or a prompt longer than the model's context window.
        MeasurementError: when states or logits are not finite.
        RefusedError: when the model is not what was loaded any more.
    """
    check_model(model)
    task = as_task(task)
    entry = as_method(method)
    config = RunConfig(
        shots=whole("shots", shots, LEAST["shots"]),
        episodes_per_split=whole("episodes", episodes, LEAST["episodes_per_split"]),
        seed=(whole("seed", seed),),
    )
    plan = Plan(config, as_template(prompt), [task], {})
    sampled, _ = plan.episodes(task, model)
    by_split = asked(model, task, sampled, plan.template)
    prompts = method_tokens(plan, task, model, sampled, by_split)
    how, settings = entry.load(), dict(entry.settings)
    extracted = model.run(
        measure.extract_vector, prompts["dev"], prompts["test"], how, settings, prompts=2
    )
    comparison = extracted["comparison"]
    finite_vectors(comparison)
    rows = scored(by_split, comparison, model.dtype)
    report = Report.of(frame(rows, task.name, task.category))
    return Vector(
        model,
        task.name,
        extracted["vector"],
        report.layer,
        kind=entry.key,
        adds=how.use == "add",
        template=plan.template,
        spaced=all(episode.query.startswith(" ") for episode in sampled),
        report=report,
        heads=extracted["heads"],
    )


def read_vector(model: LoadedModel, path: str | PathLike[str]) -> Vector:
    """Read a vector that `Vector.save` wrote, for a model of the same weights.

    Raises:
        UsageError: when there is no such file, it holds no vector, or the vector is of another
            depth or width than the model, or was extracted with other weights.
        RefusedError: when the model is not what was loaded any more.

    Warns:
        Remark: when the weights had another name or precision.
    """
    check_loaded(model)
    model.check()
    file = as_path("path", path)
    values, about, origin, report, heads = files.read_vector(file, Origin.of(model))
    return Vector(
        model,
        about["task"],
        values,
        int(about["layer"]),
        kind=about["kind"],
        adds=about["adds"] == "True",
        template=Template(about["template"]),
        spaced=about["spaced"] == "True",
        report=report,
        origin=origin,
        heads=heads,
    )
