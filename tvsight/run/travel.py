"""Show what a run on a server would send and bring back, as `--dry-run` prints it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvsight.config import RunConfig
from tvsight.errors import TvsightError
from tvsight.output.console import Display
from tvsight.run.planning import Request
from tvsight.storage.job_records import Records

if TYPE_CHECKING:
    from tvsight.models.loading import Model

COLUMNS = ["Task", "State", "Jobs", "Under way", "Up", "Answers down", "Vectors down"]
STORED = ["in the store", 0, 0, 0, 0, 0]
"""The cells of a task that is stored, from the second on."""


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
    """Show the jobs of each request, the sizes of them and their results, and the sum; and name the
    tasks that cannot be measured. Nothing is sent.

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
    records = Records(Path(config.results))
    rates: dict[Callable[..., Any], float] = {}
    rows: list[list[Any]] = []
    for request in asked:
        try:
            cells = _cells(request, model, host, records, rates) if request in missing else STORED
            rows.append([request.name, *cells])
        except TvsightError as error:
            display.failed(request.name, str(error))
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.loc[len(table)] = ["all", "", *table[COLUMNS[2:]].sum()]
    for column in COLUMNS[4:]:
        table[column] = table[column].map(size)
    title = f"{model.name} on {host}: what would travel (what comes down is compressed besides)"
    display.table(table.astype(str), title)


def _cells(
    request: Request,
    model: "Model",
    host: str,
    records: Records,
    rates: dict[Callable[..., Any], float],
) -> list[Any]:
    """The cells of a request, from the second of `COLUMNS` on.

    Args:
        rates: bytes of the result for each episode, by function; receives those that are new.
    """
    from tvsight.execution.ndif.parcel import digest, payload
    from tvsight.execution.ndif.preflight import rehearse

    first = next(request.steps(model))
    jobs = [*first, *(later for job in first for later in job.later)]
    up = down = under_way = 0
    for number, job in enumerate(jobs):
        known = records.read(f"{request.result.path.name}-{number}")
        # A job of a later step depends on results, so its digest is not known yet. It is sent once
        # every job of the first step is done.
        same = under_way >= len(first) if number >= len(first) else False
        if known is not None and known.host == host and (same or known.digest == digest(job)):
            under_way += 1
        else:
            up += len(payload(model.decoder, job))
        if job.function not in rates:
            rates[job.function] = rehearse(job, model.decoder, model.dtype)
        down += round(rates[job.function] * job.episodes)
    vectors = sum(job.vector_bytes for job in jobs)
    partly = "partly under way" if under_way else "to be sent"
    state = "under way" if under_way == len(jobs) else partly
    return [state, len(jobs), under_way, up, max(0, down - vectors), vectors]
