"""Choose where jobs run, and load models for it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tvsight.config import RunConfig
from tvsight.errors import RefusedError, ServerError
from tvsight.models import ModelSource, resolve, weights_identity
from tvsight.models.catalogue import HOSTED
from tvsight.models.loading import Model, load, load_remote
from tvsight.models.precision import resolve_device, resolve_dtype
from tvsight.models.processor import bfloat16_rate, faster_precision
from tvsight.output.console import Display
from tvsight.run.planning import Request, read_plan

if TYPE_CHECKING:
    from tvsight.execution.jobs import Place
    from tvsight.execution.ndif.client import NdifClient

NDIF_DTYPE = "bfloat16"
"""The precision of models on an NDIF server, unless the server chooses another."""


def dtype(config: RunConfig) -> str:
    """The precision of a run, `auto` resolved."""
    if config.remote:
        return NDIF_DTYPE if config.dtype == "auto" else config.dtype
    return resolve_dtype(config.dtype, resolve_device(config.device))


def prepared(config: RunConfig, named: bool) -> RunConfig:
    """The options of a run on a server, with the model that is measured.

    What a person may still lack is asked for in this order: a key, the hub, the server.

    Args:
        named: whether a model was named; else it is `preflight.usual_model`, and a line says so.

    Raises:
        RefusedError: when the server needs a key and there is none. A dry run needs none.
        UsageError: for an unknown task or template, when the hub cannot be reached either, or when
            the server runs no model of the catalogue.
        ServerError: when no server answers.
    """
    from tvsight.execution.ndif import preflight
    from tvsight.execution.ndif.client import NdifClient
    from tvsight.execution.ndif.patience import Patience

    display = Display()
    client = NdifClient(config.host, Patience(retries=config.retries), display.note)
    if not config.dry_run:
        preflight.require_key(client)
    if named:
        return config
    read_plan(config)
    try:
        client.connect()
        model, why = preflight.usual_model(client)
    except ServerError:
        weights_identity(replace(resolve(HOSTED), on_server=True))
        raise
    display.note(f"No --model was named: {model} on {client.host}, {why}.")
    return replace(config, model=(model,))


class Places:
    """The places where the models of a run are measured. A server is checked once, before its first
    job."""

    def __init__(self, config: RunConfig, dtype: str, display: Display) -> None:
        self.config = config
        self.dtype = dtype
        self.display = display
        self._client: NdifClient | None = None
        self._versions: dict[str, str] = {}
        self._advised = False

    def load(self, source: ModelSource) -> Model:
        """Load the model: with its weights, or without them where a server has them."""
        config = self.config
        name = source.location if source.kind == "directory" else source.name
        if config.remote:
            return load_remote(name, self.dtype, config.revision, config.trust_remote_code)
        self._advise()
        return load(
            name,
            revision=config.revision,
            device=config.device,
            dtype=config.dtype,
            trust_remote_code=config.trust_remote_code,
            allow_pickled_weights=config.allow_pickled_weights,
        )

    def of(self, model: Model, requests: Sequence[Request]) -> "Place":
        """The place for the jobs of a model's requests.

        Raises:
            ServerError: when no server can be reached.
            RefusedError: when the server refuses the key, or holds the model in another
                precision. Jobs of the requests that an earlier process submitted are forgotten
                then.
        """
        from tvsight.execution.here import Here

        if not self.config.remote:
            display = self.display
            moved = display.moved if display.is_live else None
            return Here(display.phase, self.config.remote_simulated, moved)
        from tvsight.execution.ndif import preflight
        from tvsight.execution.ndif.remote import Remote

        client = self._client = self._client or self._checked_client()
        capacity = self.config.max_in_flight
        results = Path(self.config.results)
        asked = [request.result.path.name for request in requests]
        place = Remote(client, results, self.dtype, capacity, self._versions, asked)
        try:
            held = preflight.deployment(client, model.decoder, self.dtype)
        except RefusedError:
            place.forget()
            raise
        self.display.note(f"{model.name} on {client.host}: {held}")
        return place

    def _advise(self) -> None:
        """Say once that bfloat16 would be faster on this CPU, where nobody chose a precision."""
        if self._advised or self.config.dtype != "auto" or self.dtype != "float32":
            return
        self._advised = True
        if line := faster_precision(bfloat16_rate()):
            self.display.note(line)

    def _checked_client(self) -> "NdifClient":
        from tvsight.execution.ndif import preflight
        from tvsight.execution.ndif.client import NdifClient
        from tvsight.execution.ndif.patience import Patience

        patience = Patience(retries=self.config.retries, job_s=60 * self.config.job_minutes)
        client = NdifClient(self.config.host, patience, self.display.note)
        if warning := preflight.key_warning(client):
            self.display.note(warning)
        client.check()
        compared = preflight.versions(client)
        self._versions = preflight.server_versions(compared)
        for warning in preflight.version_warnings(compared):
            self.display.note(f"Versions differ, which may change numbers: {warning}")
        return client
