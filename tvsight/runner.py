"""Carry out a plan: what is stored is not measured again, one bad task does not sink the rest."""

from pathlib import Path
from typing import Any

from tvsight.config import RunConfig
from tvsight.console import Display
from tvsight.errors import UsageError
from tvsight.models import ModelSource, weights_identity
from tvsight.outcome import Outcome
from tvsight.planning import Request, plan, requests, shared_identity, sources
from tvsight.session import Measure, Session, is_stored
from tvsight.store import DamagedResult, Store


def run(config: RunConfig, experiment: str, measure: Measure, display: Display) -> Outcome:
    """Measure what the store does not hold yet and return the rows of everything asked for.

    Raises:
        ServerError: when a server does not do its work; what is complete is kept.
        StorageError: when the disk is full or the results folder cannot be written; so it is.
        UsageError: when the request cannot be carried out at all; with `fail_fast`, any failure.
    """
    chosen, models, store = plan(config), sources(config), Store(config.results)
    if config.save_episodes and len(models) > 1:
        raise UsageError("--save-episodes: episodes depend on the tokenizer; name one model.")
    from tvsight import places  # torch, once all is in order

    dtype = places.dtype(config)
    wanted = [(source, requests(chosen, experiment, source, dtype)) for source in models]
    store.prepare()
    place, outcome = places.Places(config, dtype, display), Outcome()
    for source, of_model in wanted:
        missing = [request for request in of_model if not is_stored(store, request, display)]
        display.stored(source.name, len(of_model) - len(missing), len(of_model))
        if missing or config.save_episodes:
            session = Session(config, chosen, store, place.load(source), measure, display)
            if config.save_episodes:
                session.save_episodes(of_model)
            if missing:
                session.measure_all(missing, place.of(session.model), outcome)
            del session
        for request in of_model:
            if is_stored(store, request, display):
                outcome.rows.append(store.rows(request.result.path))
    return outcome


def preview(config: RunConfig, experiment: str, measure: Measure, display: Display) -> None:
    """Say what `run` would do. Nothing is measured, sent or written.

    Raises:
        UsageError: when the request cannot be carried out.
    """
    chosen, store = plan(config), Store(config.results)
    from tvsight import places

    dtype = places.dtype(config)
    for source in sources(config):
        of_model = requests(chosen, experiment, source, dtype)
        missing = [request for request in of_model if not _whole(store, request)]
        display.stored(source.name, len(of_model) - len(missing), len(of_model))
        if config.remote and missing:
            model = places.Places(config, dtype, display).load(source)
            Session(config, chosen, store, model, measure, display).preview(missing)
        else:
            for request in missing:
                display.note(f"{request.task.name}: to be measured")


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
        return store.holds(request.result)
    except DamagedResult:
        return False
