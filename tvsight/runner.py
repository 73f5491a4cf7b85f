"""Carry out plans: what is stored is not measured again, one bad task does not sink the rest."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvsight.config import RunConfig
from tvsight.console import Display
from tvsight.errors import UsageError
from tvsight.models import ModelSource, weights_identity
from tvsight.outcome import Outcome
from tvsight.planning import Experiment, Request, complete, plan, sources
from tvsight.session import Session, is_stored
from tvsight.store import VECTORS, DamagedResult, Store

if TYPE_CHECKING:
    from tvsight.models.loading import Model
    from tvsight.places import Places


class Runner:
    """Carries out plans. The model in use stays loaded for the next.

    One runner serves plans that differ in what they ask, not in where and how it is run.
    """

    def __init__(self, display: Display) -> None:
        self.display = display
        self._place: Places | None = None
        self._loaded: tuple[ModelSource, Model] | None = None

    def outcome(self, config: RunConfig, experiment: Experiment) -> Outcome:
        """The rows of an experiment, as the options say: measured where they are missing, or from
        the store alone; none for `--dry-run`, which says what would be measured.

        Raises:
            ServerError, StorageError, UsageError: see `run`.
        """
        if config.dry_run:
            self.preview(config, experiment)
            return Outcome()
        if config.redraw:
            return self.stored(config, experiment)
        return self.run(config, experiment)

    def run(self, config: RunConfig, experiment: Experiment) -> Outcome:
        """Measure what the store does not hold yet and return the rows of everything asked for.

        Raises:
            ServerError: when a server does not do its work; what is complete is kept.
            StorageError: when the disk is full or the results folder cannot be written; so it is.
            UsageError: when the request cannot be carried out at all; with `fail_fast`, any
                failure.
        """
        chosen, models, store = plan(config), sources(config), Store(config.results)
        if config.save_episodes and len(models) > 1:
            raise UsageError("--save-episodes: episodes depend on the tokenizer; name one model.")
        from tvsight import places  # torch, once all is in order

        dtype = places.dtype(config)
        wanted = [
            (source, complete(experiment(chosen, source), source, dtype)) for source in models
        ]
        store.prepare()
        outcome = Outcome()
        for source, of_model in wanted:
            missing = [
                request for request in of_model if not is_stored(store, request, self.display)
            ]
            self._say_stored(source, of_model, missing)
            if missing or config.save_episodes:
                place = self._places(config, dtype)
                session = Session(config, store, self._model(place, source), self.display)
                if config.save_episodes:
                    session.save_episodes(of_model)
                if missing:
                    session.measure_all(missing, place.of(session.model, missing), outcome)
                del session
            for request in of_model:
                if is_stored(store, request, self.display):
                    _found(outcome, store, request.result.path)
        return outcome

    def preview(self, config: RunConfig, experiment: Experiment) -> None:
        """Say what `run` would do. Nothing is measured, sent or written.

        Raises:
            UsageError: when the request cannot be carried out.
        """
        chosen, store = plan(config), Store(config.results)
        from tvsight import places

        dtype = places.dtype(config)
        for source in sources(config):
            of_model = complete(experiment(chosen, source), source, dtype)
            missing = [request for request in of_model if not _whole(store, request)]
            self._say_stored(source, of_model, missing)
            if config.remote and missing:
                model = self._model(self._places(config, dtype), source)
                Session(config, store, model, self.display).preview(of_model, missing)
            else:
                for request in missing:
                    self.display.note(f"{request.name}: to be measured")

    def stored(self, config: RunConfig, experiment: Experiment) -> Outcome:
        """The rows of an experiment from the store alone: no model is loaded, no hub is asked.

        Of several results that differ in weights or precision only, the newest is taken; one that
        lacks the vectors which a request needs is none.
        """
        chosen, store, outcome = plan(config), Store(config.results), Outcome()
        manifests: list[tuple[Path, dict[str, Any]]] = []
        damages: dict[Path, DamagedResult] = {}
        for path in store.paths():
            try:
                manifests.append((path, store.read_manifest(path)))
            except DamagedResult as damage:
                damages[path] = damage
        for source in _stored_sources(config, {m["identity"]["model"] for _, m in manifests}):
            known: dict[str, str] = {} if config.dtype == "auto" else {"dtype": config.dtype}
            if source.kind == "directory" and source.location:
                known["weights"] = weights_identity(source)
            asked = experiment(chosen, source)
            self._say_damaged(damages, {request.result.path.parent for request in asked})
            for request in asked:
                wanted = request.identity | known
                found = [
                    (manifest["written"], path)
                    for path, manifest in manifests
                    if wanted.items() <= manifest["identity"].items()
                ]
                newest = self._newest_whole(store, found, request.needs_vectors)
                if newest is None:
                    what = " with its vectors" if request.needs_vectors else ""
                    name = f"{source.name} / {request.name}"
                    outcome.failures[name] = f"not in the store{what}"
                else:
                    _found(outcome, store, newest)
        return outcome

    def _newest_whole(
        self, store: Store, found: list[tuple[str, Path]], with_vectors: bool
    ) -> Path | None:
        for _, path in sorted(found, reverse=True):
            try:
                manifest = store.manifest(path)
            except DamagedResult as damage:
                self.display.note(f"Damaged, left out: {damage}")
            else:
                if VECTORS in manifest["files"] or not with_vectors:
                    return path
        return None

    def _say_damaged(self, damages: dict[Path, DamagedResult], folders: set[Path]) -> None:
        for path, damage in damages.items():
            if path.parent in folders:
                self.display.note(f"Damaged, left out: {damage}")

    def _say_stored(
        self, source: ModelSource, asked: list[Request], missing: list[Request]
    ) -> None:
        if asked:
            experiment = str(asked[0].identity["experiment"])
            self.display.stored(source.name, len(asked) - len(missing), len(asked), experiment)

    def _places(self, config: RunConfig, dtype: str) -> "Places":
        from tvsight.places import Places

        if self._place is None:
            self._place = Places(config, dtype, self.display)
        return self._place

    def _model(self, place: "Places", source: ModelSource) -> "Model":
        if self._loaded is None or self._loaded[0] != source:
            self._loaded = None  # the one before goes before the next one comes
            self._loaded = source, place.load(source)
        return self._loaded[1]


def _found(outcome: Outcome, store: Store, path: Path) -> None:
    rows = store.rows(path)
    outcome.rows.append(rows)
    outcome.paths[rows["model"].iloc[0], rows["task"].iloc[0]] = path


def _stored_sources(config: RunConfig, stored_names: set[str]) -> list[ModelSource]:
    """The models of a run; a checkpoint directory that is gone is known by its stored name."""
    try:
        return sources(config)
    except UsageError:
        names = [Path(name).name for name in config.model]
        if not stored_names.issuperset(names):
            raise
        return [ModelSource("directory", name, "") for name in names]


def _whole(store: Store, request: Request) -> bool:
    try:
        return store.holds(request.result, request.needs_vectors)
    except DamagedResult:
        return False
