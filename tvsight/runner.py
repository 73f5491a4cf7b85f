"""Carry out a plan: what is stored is not measured again, one bad task does not sink the rest."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tvsight.config import RunConfig
from tvsight.console import Display
from tvsight.errors import TvsightError, UsageError
from tvsight.models import ModelSource, weights_identity
from tvsight.planning import Plan, Request, plan, requests, shared_identity, sources
from tvsight.prompts.episode_files import write_episodes
from tvsight.prompts.episodes import Episode, sample_episodes
from tvsight.prompts.filtering import usable_pairs
from tvsight.prompts.templates import Template
from tvsight.provenance import provenance
from tvsight.store import DamagedResult, Store
from tvsight.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor

    from tvsight.models.loading import Model

Measure = Callable[
    ["Model", Task, Sequence[Episode], Template, Callable[[str], None]],
    "tuple[pd.DataFrame, dict[str, Tensor]]",
]


@dataclass
class Outcome:
    """What a run, or the store, has to show."""

    rows: list[pd.DataFrame] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    """Message by `model / task`."""

    @property
    def table(self) -> pd.DataFrame:
        """All rows in one data frame."""
        return pd.concat(self.rows, ignore_index=True)


def run(config: RunConfig, experiment: str, measure: Measure, display: Display) -> Outcome:
    """Measure what the store does not hold yet and return the rows of everything asked for.

    Raises:
        UsageError: when the request cannot be carried out at all; with `fail_fast`, any failure.
    """
    chosen, models, store = plan(config), sources(config), Store(config.results)
    if config.save_episodes and len(models) > 1:
        raise UsageError("--save-episodes: episodes depend on the tokenizer; name one model.")
    from tvsight.models.loading import resolve_device, resolve_dtype  # torch, once all is in order

    dtype = resolve_dtype(config.dtype, resolve_device(config.device))
    wanted = [(source, requests(chosen, experiment, source, dtype)) for source in models]
    store.prepare()
    outcome = Outcome()
    for source, of_model in wanted:
        missing = [request for request in of_model if not _stored(store, request, display)]
        display.stored(source.name, len(of_model) - len(missing), len(of_model))
        if missing or config.save_episodes:
            model = _loaded(config, source.location if source.kind == "directory" else source.name)
            session = _Session(config, chosen, store, model, measure, display)
            if config.save_episodes:
                written = [e for request in of_model for e in session.episodes(request)[0]]
                _write(Path(config.save_episodes), written)
            session.measure_all(missing, outcome)
            del model, session
        for request in of_model:
            if _stored(store, request, display):
                outcome.rows.append(store.rows(request.result.path))
    return outcome


def stored(config: RunConfig, experiment: str, display: Display) -> Outcome:
    """The rows of a run from the store alone: no model is loaded, no hub is asked.

    Of several results that differ in weights or precision only, the newest is taken.
    """
    chosen, store, outcome = plan(config), Store(config.results), Outcome()
    manifests: list[tuple[Path, dict[str, Any]]] = []
    for path in store.paths(experiment):
        try:
            manifests.append((path, store.manifest(path)))
        except DamagedResult as damage:
            display.note(f"Damaged, left out: {damage}")
    for source in _stored_sources(config, {m["identity"]["model"] for _, m in manifests}):
        known: dict[str, str] = {} if config.dtype == "auto" else {"dtype": config.dtype}
        if source.kind == "directory" and source.location:
            known["weights"] = weights_identity(source)
        for task in chosen.tasks:
            identity = shared_identity(chosen, experiment, source, task) | known
            found = [
                (manifest["written"], path)
                for path, manifest in manifests
                if identity.items() <= manifest["identity"].items()
            ]
            if found:
                outcome.rows.append(store.rows(max(found)[1]))
            else:
                outcome.failures[f"{source.name} / {task.name}"] = "not in the store"
    return outcome


class _Session:
    """One loaded model and the requests that are measured with it."""

    def __init__(
        self,
        config: RunConfig,
        chosen: Plan,
        store: Store,
        model: "Model",
        measure: Measure,
        display: Display,
    ) -> None:
        self.config = config
        self.chosen = chosen
        self.store = store
        self.model = model
        self.measure = measure
        self.display = display

    def measure_all(self, missing: Sequence[Request], outcome: Outcome) -> None:
        with self.display.tasks(self.model.name, len(missing)):
            for request in missing:
                try:
                    self._measure_one(request)
                except TvsightError as error:
                    if self.config.fail_fast:
                        raise
                    name = f"{self.model.name} / {request.task.name}"
                    outcome.failures[name] = str(error)
                    self.display.failed(request.task.name, str(error))

    def episodes(self, request: Request) -> tuple[Sequence[Episode], dict[str, Any] | None]:
        """The episodes of a request, and what the tokenizer left of its pairs: a file's episodes
        come as they are, and without that."""
        if request.replayed is not None:
            return request.replayed, None
        config, task = self.config, request.task
        usable = usable_pairs(task, self.model.tokenizer, self.chosen.template, self.model.name)
        sampled = sample_episodes(
            task.name,
            usable,
            config.shots,
            config.dummy_queries,
            config.episodes_per_split,
            config.seed,
        )
        pairs = {"usable": len(usable.pairs), "of": usable.total, "spaced": usable.spaced}
        return sampled, pairs

    def _measure_one(self, request: Request) -> None:
        with self.store.lock(request.result):
            if self.store.holds(request.result):  # another process measured it meanwhile
                self.display.measured(request.task.name, self.store.rows(request.result.path))
                return
            started = time.perf_counter()
            self.display.task(request.task.name)
            episodes, pairs = self.episodes(request)
            rows, vectors = self.measure(
                self.model, request.task, episodes, self.chosen.template, self.display.phase
            )
            kept = vectors if self.config.vectors else None
            made = provenance(self.model, time.perf_counter() - started) | {"pairs": pairs}
            self.store.save(request.result, rows, kept, made)
        self.display.measured(request.task.name, rows)


def _stored(store: Store, request: Request, display: Display) -> bool:
    """Whether the store holds a request; what is damaged is named and moved aside."""
    try:
        return store.holds(request.result)
    except DamagedResult as damage:
        place = store.set_aside(request.result.path)
        display.note(f"Damaged: {damage}. Moved to {place}; it is measured again.")
        return False


def _stored_sources(config: RunConfig, stored_names: set[str]) -> list[ModelSource]:
    """The models of a run; a checkpoint directory that is gone is known by its stored name."""
    try:
        return sources(config)
    except UsageError:
        names = [Path(name).name for name in config.model]
        if not stored_names.issuperset(names):
            raise
        return [ModelSource("directory", name, "") for name in names]


def _loaded(config: RunConfig, name: str) -> "Model":
    from tvsight.models import load

    return load(
        name,
        revision=config.revision,
        device=config.device,
        dtype=config.dtype,
        trust_remote_code=config.trust_remote_code,
        allow_pickled_weights=config.allow_pickled_weights,
    )


def _write(path: Path, episodes: Sequence[Episode]) -> None:
    try:
        write_episodes(path, episodes)
    except OSError as error:
        raise UsageError(f"--save-episodes {path}: {error.strerror or error}") from error
