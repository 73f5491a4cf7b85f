"""Preview what a run on a server would send and bring back, as `--dry-run` prints it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvsight.config import RunConfig
from tvsight.errors import TvsightError
from tvsight.output.console import Display
from tvsight.run.planning import Request
from tvsight.storage.job_records import Records

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.execution import Job
    from tvsight.models.loading import Model

COLUMNS = ["Task", "State", "Jobs", "Under way", "Up", "Answers down", "Vectors down"]
NOTHING = [0, 0, 0, 0, 0]
STORED, UNDER_WAY, PARTLY = "in the store", "under way", "partly under way"
TO_BE_SENT = "to be sent"


@dataclass
class Preview:
    """The jobs that a run would send for one model."""

    title: str
    table: "pd.DataFrame"
    """Texts in `COLUMNS`: a row per task, and their sum."""
    impossible: dict[str, str] = field(default_factory=dict)
    """The reason why a task cannot be measured, by its name."""


def size(count: int) -> str:
    """Bytes, for people."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def show(
    display: Display,
    model: "Model",
    config: RunConfig,
    asked: Sequence[Request],
    missing: Sequence[Request],
) -> None:
    """Show what `preview` finds, and name the tasks that cannot be measured."""
    shown = preview(model, config, asked, missing)
    for name, why in shown.impossible.items():
        display.failed(name, why)
    display.table(shown.table, shown.title)


def preview(
    model: "Model", config: RunConfig, asked: Sequence[Request], missing: Sequence[Request]
) -> Preview:
    """List the jobs of each request, and the sizes of them and their results. Nothing is sent.

    Sizes of results are estimated from a rehearsal of each kind of job, before compression.

    Args:
        asked: all requests of the model.
        missing: those of them that the store does not hold.

    Raises:
        UsageError: when the host is no URL.
    """
    import pandas as pd

    from tvsight.execution.ndif.client import NdifClient

    host = NdifClient(config.host).host
    travels = _Travels(model, config)
    rows: list[list[Any]] = []
    impossible = {}
    for request in asked:
        if request not in missing:
            rows.append([request.name, STORED, *NOTHING])
            continue
        try:
            rows.append([request.name, *travels.of(request, host)])
        except TvsightError as error:
            impossible[request.name] = str(error)
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.loc[len(table)] = ["all", "", *table[COLUMNS[2:]].sum()]
    for column in COLUMNS[4:]:
        table[column] = table[column].map(size)
    title = f"{model.name} on {host}: what would travel (what comes down is compressed besides)"
    return Preview(title, table.astype(str), impossible)


class _Travels:
    """Sizes of a model's jobs; each kind of job is rehearsed once."""

    def __init__(self, model: "Model", config: RunConfig) -> None:
        self._model = model
        self._records = Records(Path(config.results))
        self._rates: dict[Callable[..., Any], float] = {}

    def of(self, request: Request, host: str) -> list[Any]:
        """The cells of a request, from the second of `COLUMNS` on."""
        from tvsight.execution.ndif.parcel import digest, payload

        first = next(request.steps(self._model))
        jobs = [*first, *(later for job in first for later in job.later)]
        up = down = under_way = 0
        for number, job in enumerate(jobs):
            known = self._records.read(f"{request.result.path.name}-{number}")
            # A job of a later step depends on results, so its digest is not known yet. It is sent
            # once every job of the first step is done.
            same = under_way >= len(first) if number >= len(first) else False
            if known is not None and known.host == host and (same or known.digest == digest(job)):
                under_way += 1
            else:
                up += len(payload(self._model.decoder, job))
            down += self._result_bytes(job)
        vectors = sum(job.vector_bytes for job in jobs)
        state = UNDER_WAY if under_way == len(jobs) else PARTLY if under_way else TO_BE_SENT
        return [state, len(jobs), under_way, up, max(0, down - vectors), vectors]

    def _result_bytes(self, job: "Job") -> int:
        from tvsight.execution.ndif.preflight import rehearse

        if job.function not in self._rates:
            model = self._model
            self._rates[job.function] = rehearse(job, model.decoder, model.dtype)
        return round(self._rates[job.function] * job.episodes)
