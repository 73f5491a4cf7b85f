"""Carry out plans. Stored results are not measured again, and a task that fails stops no other."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvsight.config import RunConfig
from tvsight.errors import UsageError
from tvsight.models import ModelSource, weights_identity
from tvsight.output.console import Display
from tvsight.output.labels import AT
from tvsight.progress import Moved, bar, nobody
from tvsight.run import travel
from tvsight.run.manifests import Manifests, left_out
from tvsight.run.measurements import Measurements, Part, is_stored, measure
from tvsight.run.outcome import Outcome, Stored
from tvsight.run.planning import (
    Experiment,
    Request,
    complete,
    incomplete,
    read_plan,
    sources,
    stored_sources,
)
from tvsight.run.revisions import (
    Revision,
    asked_revisions,
    note_name,
    refuse_unknown,
    state,
    stored_revisions,
)
from tvsight.storage.manifests import Key
from tvsight.storage.ownership import put_all_back
from tvsight.storage.store import DamagedResult, Store
from tvsight.storage.versions import LaterVersion
from tvsight.tasks import Task

if TYPE_CHECKING:
    from tvsight.models.loading import Model
    from tvsight.run.places import Places

ByPath = dict[Path, dict[str, Any]]
"""Manifests by folder of the result."""


class Runner:
    """Carries out plans. The model stays loaded for the next plan.

    The plans of one runner are run in one place, and differ in their requests only.
    """

    def __init__(
        self, display: Display, loaded: "Model | None" = None, own_tasks: Iterable[Task] = ()
    ) -> None:
        self.display = display
        self._own_tasks = own_tasks
        self._place: Places | None = None
        self._loaded = None if loaded is None else (loaded.source, loaded)
        self._manifests = Manifests()
        self._of_newest: dict[ModelSource, dict[str, str]] = {}
        self._check: Callable[[Model], None] | None = None
        self._saved = False
        self._seen: Moved = nobody
        self.labels: dict[str, str] = {}
        """Names with their revision, by model, for outputs that must tell revisions apart."""

    @contextmanager
    def requiring(self, check: "Callable[[Model], None]") -> Iterator[None]:
        """Check every model that the plans in the block need, before anything is measured with it.

        An analysis of several plans has what only a later one needs refused before the first.

        Args:
            check: raises an error for a model that does not suit.
        """
        self._check = check
        try:
            yield
        finally:
            self._check = None

    def outcome(self, config: RunConfig, experiment: Experiment) -> Outcome:
        """The results of an experiment, as the options say: measured where they are missing, from
        the store alone, or none for `--dry-run`, which says what would be measured.

        Raises:
            ServerError, StorageError, UsageError: see `run`.
        """
        if config.dry_run:
            self.preview(config, experiment)
            return Outcome()
        if config.redraw:
            plan, all_sources = read_plan(config), stored_sources(config, Store(config.results))
            count = sum(len(experiment(plan, source)) for source in all_sources)
            with bar(count, "reading results") as self._seen:
                return self.stored(config, experiment, refuse=True)
        return self.run(config, experiment)

    def after(self, first: str, config: RunConfig, name: str, experiment: Experiment) -> Outcome:
        """The results of an experiment, `name`, whose requests are made of the results of another,
        `first`. A dry run has none of these, and says what the experiment waits for."""
        if config.dry_run:
            self.display.note(f"{name}: after {first}")
            return Outcome()
        return self.outcome(config, experiment)

    def run(self, config: RunConfig, experiment: Experiment) -> Outcome:
        """Measure what the store does not hold yet, and return all results of the plan. The first
        plan of a runner saves its episodes, where the options name a file.

        Raises:
            ServerError: when a server does not do its work. Complete results are kept.
            StorageError: when the disk is full or the results folder cannot be written. Complete
                results are kept.
            UsageError: when the plan cannot be carried out at all; with `fail_fast`, any failure.
        """
        plan = read_plan(config, self._own_tasks)
        models, store = self._sources(config), Store(config.results)
        saves, self._saved = bool(config.save_episodes) and not self._saved, True
        if saves and len(models) > 1:
            raise UsageError("--save-episodes: episodes depend on the tokenizer; name one model.")
        from tvsight.run import places  # imports torch: only after the options are validated

        dtype = places.dtype(config)
        wanted = [
            (source, complete(experiment(plan, source), self._weights(source), dtype))
            for source in models
        ]
        store.prepare()
        put_all_back(store)
        outcome = Outcome()
        parts: list[Part] = []
        for source, of_model in wanted:
            missing = [one for one in of_model if not is_stored(store, one, self.display)]
            self._say_stored(source, of_model, missing)
            if missing or saves:
                place = self._places(config, dtype)
                model = self._model(place, source)
                if any(one.identity["weights"] != model.weights for one in of_model):
                    raise UsageError(
                        f"{source.name} changed before it was loaded; run the command again."
                    )
                measurements = Measurements(config, store, model, self.display)
                if saves:
                    measurements.save_episodes(of_model)
                if missing:
                    parts.append((measurements, missing, place.of(model, missing)))
                del model, measurements
            if parts and not config.remote:  # the next model takes the place of this one
                measure(parts, self.display, outcome)
                parts = []
        if parts:  # a server has the models of its own, which work at once
            measure(parts, self.display, outcome)
        for source, of_model in wanted:
            for request in of_model:
                if is_stored(store, request, self.display):
                    note_name(store, source, request.result.path)
                    self._manifests.forget(request.result.path)
                    outcome.results.append(Stored.read(store, request.result.path))
            if of_model:
                hub = source.kind == "hub"
                known = self._manifests.of(store, source.name)[0] if hub else {}
                there = stored_revisions(known.values())
                self._label(source, of_model[0].identity, there)
        return outcome

    def preview(self, config: RunConfig, experiment: Experiment) -> None:
        """Say what `run` would do. Nothing is measured, sent or written.

        Raises:
            UsageError: when the plan cannot be carried out.
        """
        plan, store = read_plan(config), Store(config.results)
        from tvsight.run import places

        dtype = places.dtype(config)
        for source in sources(config):
            of_model = complete(experiment(plan, source), self._weights(source), dtype)
            missing = [request for request in of_model if not is_stored(store, request)]
            self._say_stored(source, of_model, missing)
            if config.remote and missing:
                model = self._model(self._places(config, dtype), source)
                travel.show(self.display, model, config, of_model, missing)
            else:
                for request in missing:
                    self.display.note(f"{request.name}: to be measured")

    def stored(self, config: RunConfig, experiment: Experiment, refuse: bool = False) -> Outcome:
        """The results of an experiment from the store alone. No model is loaded, no hub is asked.

        Of results that differ in weights or precision only, those with the weights and precision of
        the newest are taken, so that one table is of one model. A result without the vectors or
        scores that a request needs does not count.

        Args:
            refuse: refuse a revision that no result is of.

        Raises:
            UsageError: for such a revision, with those that are there.
        """
        plan, store = read_plan(config), Store(config.results)
        put_all_back(store)
        outcome = Outcome()
        for source in stored_sources(config, store):
            manifests, unusable = self._manifests.of(store, source.name)
            asked = experiment(plan, source)
            there = stored_revisions(manifests.values())
            if refuse and source.kind == "hub":
                refuse_unknown(source.name, source.revision, there)
            if source.kind == "hub":
                meant = {f"commit:{one.commit}" for one in asked_revisions(source.revision, there)}
                manifests = {
                    path: manifest
                    for path, manifest in manifests.items()
                    if manifest["identity"].get("weights") in meant
                }
            places = {request.result.path.parent for request in asked}
            for path, why in unusable.items():
                if path.parent in places:
                    self.display.note(why)
            identities = {request.name: request.identity for request in asked}
            found: dict[str, ByPath] = {name: {} for name in identities}
            for path, manifest in manifests.items():
                name = manifest["identity"]["task"]
                if name in identities and identities[name] == incomplete(manifest["identity"]):
                    found[name][path] = manifest
            known = self._taken(config, source, list(found.values()))
            for request in asked:
                of_request = found[request.name]
                newest = self._newest_whole(store, of_request, known, request)
                self._seen(newest)
                if newest is None:
                    needed = {"vectors": request.needs_vectors, "scores": request.needs_scores}
                    lacking = " and ".join(name for name, wanted in needed.items() if wanted)
                    what = f" with its {lacking}" if lacking else ""
                    others = {state(of["identity"]) for of in of_request.values()}
                    others -= {state(known)}
                    of_others = f" as {state(known)}; {', '.join(sorted(others))} is there"
                    key = Key(source.name, request.name)
                    outcome.failures[key] = f"not in the store{what}{of_others if others else ''}"
                else:
                    outcome.results.append(Stored.read(store, newest))
            self._label(source, known, there)
        return outcome

    def _taken(self, config: RunConfig, source: ModelSource, found: list[ByPath]) -> dict[str, str]:
        """The weights and precision of the results to take: those of the newest, and the same in
        each experiment of a command."""
        if source in self._of_newest:
            return self._of_newest[source]
        known: dict[str, str] = {} if config.dtype == "auto" else {"dtype": config.dtype}
        if source.kind == "directory" and source.location:
            known["weights"] = weights_identity(source)
        fitting = [
            manifest
            for of_request in found
            for manifest in of_request.values()
            if known.items() <= manifest["identity"].items()
        ]
        if not fitting:
            return known
        newest = max(fitting, key=lambda manifest: datetime.fromisoformat(manifest["written"]))
        known |= {name: newest["identity"][name] for name in ("weights", "dtype")}
        self._of_newest[source] = known
        return known

    def _newest_whole(
        self, store: Store, found: ByPath, known: dict[str, str], request: Request
    ) -> Path | None:
        for path, read in sorted(found.items(), key=lambda of: of[1]["written"], reverse=True):
            if not known.items() <= read["identity"].items():
                continue
            try:
                if replace(request, identity=read["identity"]).is_in(store, drawn=True):
                    return path
            except (DamagedResult, LaterVersion) as damage:
                self.display.note(left_out(damage))
        return None

    def _label(self, source: ModelSource, known: Mapping[str, Any], there: list[Revision]) -> None:
        """Note the name of a model with its revision, where outputs must say it, or with its
        precision, where packaged weights were rounded once more."""
        if source.package and known.get("dtype", "float32") != "float32":
            self.labels[source.name] = source.name + AT + known["dtype"].replace("loat", "")
        for revision in there:
            if known.get("weights") == f"commit:{revision.commit}":
                label = revision.label(source.revision, there)
                if label is not None:
                    self.labels[source.name] = f"{source.name}{AT}{label}"

    def _say_stored(
        self, source: ModelSource, asked: list[Request], missing: list[Request]
    ) -> None:
        if asked:
            experiment = str(asked[0].identity["experiment"])
            self.display.stored(source.name, len(asked) - len(missing), len(asked), experiment)

    def _places(self, config: RunConfig, dtype: str) -> "Places":
        from tvsight.run.places import Places

        if self._place is None:
            self._place = Places(config, dtype, self.display)
        return self._place

    def _sources(self, config: RunConfig) -> list[ModelSource]:
        """The models of a run. One in memory has no other name."""
        if self._loaded is not None and self._loaded[0].kind == "memory":
            return [self._loaded[0]]
        return sources(config)

    def _weights(self, source: ModelSource) -> str:
        """The identity of a model's weights: of those in memory, where it is loaded."""
        if self._loaded is not None and self._loaded[0] == source:
            return self._loaded[1].weights
        return weights_identity(source)

    def _model(self, place: "Places", source: ModelSource) -> "Model":
        if self._loaded is None or self._loaded[0] != source:
            self._loaded = None  # free the previous model before loading the next
            self._loaded = source, place.load(source)
        if self._check is not None:
            self._check(self._loaded[1])
        return self._loaded[1]
