"""Plan a run: its options as requests, one per model and task."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvsight.config import RunConfig, one_seed, protocol
from tvsight.errors import UsageError, nearest, option, refuse_repeated
from tvsight.models import ModelSource, resolve
from tvsight.prompts.episode_files import check_target, episodes_digest, read_episodes
from tvsight.prompts.episodes import Episode, Sampling, check_enough_pairs, sample_episodes
from tvsight.prompts.filtering import say_special_tokens, shared_first_tokens, usable_pairs
from tvsight.prompts.replay import REPLAYED, suited
from tvsight.prompts.templates import Template, template
from tvsight.storage.schemas import EARLIER_SCORES, SCORE_TYPES, schema
from tvsight.storage.store import Result, Store
from tvsight.tasks import Pair, Task, packaged_tasks, select
from tvsight.tasks.matching import SCORING_VERSION

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.execution.jobs import Steps
    from tvsight.models.loading import Model
    from tvsight.run.outcome import Measured


@dataclass(frozen=True)
class Plan:
    """The options of a run as tasks, a template and episodes. Its models are apart."""

    config: RunConfig
    template: Template
    tasks: list[Task]
    replayed: dict[str, tuple[Episode, ...]]
    """Episodes from a file, by task; empty when they are sampled."""

    @property
    def sampling(self) -> Sampling:
        """The options of sampling, as one value."""
        config = self.config
        return Sampling(
            shots=config.shots,
            dummy_queries=config.dummy_queries,
            per_split=config.episodes_per_split,
            seed=one_seed(config),
            division=config.division,
        )

    def episodes(self, task: Task, model: "Model") -> tuple[Sequence[Episode], dict[str, Any]]:
        """The episodes of a task, and their entries in a manifest: the number of pairs that suit
        the tokenizer, or the episodes of a file that do.

        Raises:
            UsageError: when too few pairs, or episodes of a file, suit the tokenizer.
        """
        if task.name in self.replayed:
            kept, found = suited(model, task, self.replayed[task.name], self.template)
            asked = [Pair(episode.query, episode.accepted) for episode in kept]
            words = (word for episode in kept for word in episode.words)
            say_special_tokens(task.name, words, model.tokenizer, self.template, model.name)
            return kept, {"pairs": None, REPLAYED: found, **self._shared(model, asked)}
        usable = usable_pairs(task, model.tokenizer, self.template, model.name)
        sampled = sample_episodes(task.name, usable, self.sampling)
        pairs = {"usable": len(usable.pairs), "of": usable.total, "spaced": usable.spaced}
        return sampled, {"pairs": pairs, **self._shared(model, usable.pairs)}

    @cached_property
    def digests(self) -> dict[str, str]:
        """SHA-256 of the episodes from a file, by task."""
        return {name: episodes_digest(episodes) for name, episodes in self.replayed.items()}

    def _shared(self, model: "Model", pairs: Sequence[Pair]) -> dict[str, Any]:
        return {"shared_first_token": shared_first_tokens(model.tokenizer, pairs, self.template)}


@dataclass(frozen=True)
class Request(ABC):
    """A request for one result of one model. Every experiment has a subclass."""

    plan: Plan
    identity: dict[str, Any]
    """All that changes a number. `complete` adds `weights` and `dtype`."""
    needs_vectors: bool = field(default=False, kw_only=True)
    """Whether a result that was stored without its vectors is measured again."""
    needs_scores: bool = field(default=False, kw_only=True)
    """Whether a result whose rows lack scores, or have those of one token, is measured again."""

    @abstractmethod
    def steps(self, model: "Model") -> "Steps[Measured]":
        """Measure it: yield jobs, receive their results, return rows."""

    @abstractmethod
    def line(self, rows: "pd.DataFrame") -> str:
        """The text that is printed after its name when it is done."""

    def episodes(self, model: "Model") -> Sequence[Episode]:
        """The episodes that --save-episodes writes; none where a file cannot be replayed."""
        return ()

    @property
    def result(self) -> Result:
        """The result in the store."""
        return Result(self.identity)

    def is_in(self, store: Store, drawn: bool = False) -> bool:
        """Whether a store holds the result, with all that is needed of it.

        Args:
            drawn: whether scores of one token do, since nothing is measured.

        Raises:
            DamagedResult: when it is not what its manifest says.
        """
        scores = EARLIER_SCORES if drawn else SCORE_TYPES
        return store.holds(self.result, self.needs_vectors, scores if self.needs_scores else ())

    @property
    def name(self) -> str:
        """The name of the task, or of the pair of tasks."""
        return str(self.identity["task"])


@dataclass(frozen=True)
class TaskRequest(Request):
    """A request for one result of one model on the episodes of one task."""

    task: Task

    def episodes(self, model: "Model") -> Sequence[Episode]:
        """The episodes of the task."""
        return self.plan.episodes(self.task, model)[0]


Experiment = Callable[[Plan, ModelSource], Sequence[Request]]
"""The requests of a plan for one model, in the order of its tasks. Their identity lacks weights and
precision."""


def read_plan(config: RunConfig, own_tasks: Iterable[Task] = ()) -> Plan:
    """Make a plan of the options: read the tasks, template and files that they name.

    Args:
        own_tasks: tasks that no option names.

    Raises:
        UsageError: for an unknown task or template, a broken file, or one that tvsight did not
            write where episodes are to be saved.
    """
    if config.save_episodes:
        check_target(Path(config.save_episodes))
    chosen_template = template(config.template)
    if config.episodes is None:
        tasks = select(config.tasks, config.task_file, own_tasks)
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
            f"{option('episodes', config.episodes)}: unknown task {unknown[0]!r}. "
            "`python -m analyses.tasks` lists the tasks; --task-file adds one of your own."
        )
    unused = [task.name for task in own if task.name not in names]
    if unused:
        raise UsageError(
            f"{option('task_file')}: {config.episodes} has no episodes of {unused[0]!r}, so its "
            f"file would "
            f"be ignored.{nearest(unused[0], names)} Leave it out."
        )
    replayed = {
        name: tuple(episode for episode in episodes if episode.task == name) for name in names
    }
    return Plan(config, chosen_template, [known[name] for name in names], replayed)


def identity(plan: Plan, experiment: str, source: ModelSource, task: Task) -> dict[str, Any]:
    """The part of a result's identity that is known without reading weights.

    An experiment that depends on more adds it; on further tasks, `source_identity`.
    """
    version = schema(experiment).version
    return {
        "experiment": experiment,
        "model": source.name,
        "task": task.name,
        "task_data": task.checksum,
        "template": plan.template.text,
        "episodes": plan.digests.get(task.name),
        "scoring": SCORING_VERSION,
        **({"version": version} if version > 1 else {}),
        **protocol(plan.config),
    }


def source_identity(plan: Plan, tasks: Iterable[Task]) -> dict[str, Any]:
    """What identifies the other tasks that a result is made of, by their names."""
    known = list(tasks)
    checksums: dict[str, Any] = {"sources": {task.name: task.checksum for task in known}}
    if plan.replayed:
        checksums["source_episodes"] = {task.name: plan.digests[task.name] for task in known}
    return checksums


def complete(asked: Sequence[Request], weights: str, dtype: str) -> list[Request]:
    """Add weights and precision to the identity of requests.

    Args:
        weights: from `weights_identity`, or of the loaded model.
        dtype: the precision that will be used, `auto` resolved.
    """
    known = {"weights": weights, "dtype": dtype}
    return [replace(request, identity=request.identity | known) for request in asked]


def incomplete(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The identity of a result without what `complete` adds, as its request has it."""
    return {name: value for name, value in identity.items() if name not in ("weights", "dtype")}


def sources(config: RunConfig) -> list[ModelSource]:
    """The models of a run.

    Raises:
        UsageError: for an unknown name, two names of one model, or two directories of one name.
    """
    found = [
        replace(resolve(name, config.revision), on_server=config.remote) for name in config.model
    ]
    refuse_repeated("model", config.model, found)
    names = [source.name for source in found]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"{option('model')}: two models are named {name!r}; rename a directory."
            )
    return found


def stored_sources(config: RunConfig, store: Store) -> list[ModelSource]:
    """The models of a run. A checkpoint directory that is gone is known by its stored name."""
    try:
        return sources(config)
    except UsageError:
        names = [Path(name).name for name in config.model]
        stored = len({*names}) == len(names) and all(any(store.paths(model=n)) for n in names)
        if config.revision is not None or not stored:
            raise
        return [ModelSource("directory", name, "") for name in names]
