"""From options to the results that a run wants: one request per model and task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvsight.config import RunConfig, protocol
from tvsight.errors import UsageError, nearest
from tvsight.models import ModelSource, resolve, weights_identity
from tvsight.prompts.episode_files import episodes_digest, read_episodes
from tvsight.prompts.episodes import Episode, check_enough_pairs, sample_episodes
from tvsight.prompts.filtering import say_special_tokens, shared_first_tokens, usable_pairs
from tvsight.prompts.replay import REPLAYED, suited
from tvsight.prompts.templates import Template, template
from tvsight.storage.store import Result
from tvsight.tasks import Pair, Task, packaged_tasks, select
from tvsight.tasks.matching import SCORING_VERSION

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.execution import Steps
    from tvsight.models.loading import Model
    from tvsight.run.outcome import Measured


@dataclass(frozen=True)
class Request:
    """One result that a run wants of one model."""

    identity: dict[str, Any]
    """All that changes a number; without `weights` and `dtype` until `complete` has added them."""
    measure: "Callable[[Model], Steps[Measured]]"
    """The steps that measure it, once the model is there."""
    line: Callable[["pd.DataFrame"], str]
    """What a person is told of its rows when it is done, after its name."""
    episodes: "Callable[[Model], Sequence[Episode]] | None" = None
    """What --save-episodes writes; None for an experiment that cannot be replayed from a file."""
    needs_vectors: bool = False
    """Whether a result that was stored without its vectors is of no use."""

    @property
    def result(self) -> Result:
        """Its place in the store."""
        return Result(self.identity)

    @property
    def name(self) -> str:
        """Its task, or the pair of tasks that it is about."""
        return str(self.identity["task"])


@dataclass(frozen=True)
class Plan:
    """What a run asks, apart from its models."""

    config: RunConfig
    template: Template
    tasks: list[Task]
    replayed: dict[str, tuple[Episode, ...]]
    """Episodes from a file, by task; empty when they are sampled."""

    def episodes(self, task: Task, model: "Model") -> tuple[Sequence[Episode], dict[str, Any]]:
        """The episodes of a task, and what a manifest says of them: how many of its pairs the
        tokenizer left, or which episodes of a file.

        Raises:
            UsageError: when too few pairs, or episodes of a file, suit the tokenizer.
        """
        if task.name in self.replayed:
            kept, found = suited(model, task, self.replayed[task.name], self.template)
            asked = [Pair(episode.query, episode.accepted) for episode in kept]
            words = (word for episode in kept for word in episode.words)
            say_special_tokens(task.name, words, model.tokenizer, self.template, model.name)
            return kept, {"pairs": None, REPLAYED: found, **self._shared(model, asked)}
        config = self.config
        usable = usable_pairs(task, model.tokenizer, self.template, model.name)
        sampled = sample_episodes(
            task.name,
            usable,
            config.shots,
            config.dummy_queries,
            config.episodes_per_split,
            config.seed,
        )
        pairs = {"usable": len(usable.pairs), "of": usable.total, "spaced": usable.spaced}
        return sampled, {"pairs": pairs, **self._shared(model, usable.pairs)}

    def _shared(self, model: "Model", pairs: Sequence[Pair]) -> dict[str, Any]:
        return {"shared_first_token": shared_first_tokens(model.tokenizer, pairs, self.template)}


Experiment = Callable[[Plan, ModelSource], list[Request]]
"""What a plan asks of one model, in the order of its tasks. Knows neither weights nor precision."""


def plan(config: RunConfig) -> Plan:
    """Read what the options name.

    Raises:
        UsageError: for an unknown task or template, or a broken file.
    """
    chosen_template = template(config.template)
    if config.episodes is None:
        tasks = select(config.tasks, config.task_file)
        for task in tasks:
            check_enough_pairs(task.name, len(task.pairs), config.shots, config.dummy_queries)
        return Plan(config, chosen_template, tasks, {})
    episodes = read_episodes(Path(config.episodes))
    names = dict.fromkeys(episode.task for episode in episodes)
    own = select("none", config.task_file) if config.task_file else []
    known = packaged_tasks() | {task.name: task for task in own}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(
            f"--episodes {config.episodes}: unknown task {unknown[0]!r}. "
            "`python -m analyses.tasks` lists the tasks; --task-file adds one of your own."
        )
    unused = [task.name for task in own if task.name not in names]
    if unused:
        raise UsageError(
            f"--task-file: {config.episodes} has no episodes of {unused[0]!r}, so its file would "
            f"be ignored.{nearest(unused[0], names)} Leave it out."
        )
    replayed = {
        name: tuple(episode for episode in episodes if episode.task == name) for name in names
    }
    return Plan(config, chosen_template, [known[name] for name in names], replayed)


def identity(chosen: Plan, experiment: str, source: ModelSource, task: Task) -> dict[str, Any]:
    """The part of a result's identity that is known without reading weights.

    An experiment that takes more than this into account adds it; checksums of further tasks go
    under `sources`, by name.
    """
    replayed = chosen.replayed.get(task.name)
    return {
        "experiment": experiment,
        "model": source.name,
        "task": task.name,
        "task_data": task.checksum,
        "template": chosen.template.text,
        "episodes": episodes_digest(replayed) if replayed else None,
        "scoring": SCORING_VERSION,
        **protocol(chosen.config),
    }


def complete(asked: Sequence[Request], source: ModelSource, dtype: str) -> list[Request]:
    """The requests with the part of their identity that takes a look at the weights.

    Args:
        dtype: the precision that will be used, `auto` resolved.
    """
    known = {"weights": weights_identity(source), "dtype": dtype}
    return [replace(request, identity=request.identity | known) for request in asked]


def sources(config: RunConfig) -> list[ModelSource]:
    """The models of a run, each once.

    Raises:
        UsageError: for an unknown name, or two directories of one name.
    """
    found = list(dict.fromkeys(resolve(name, config.revision) for name in config.model))
    names = [source.name for source in found]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--model: two models are named {name!r}; rename a directory.")
    return found
