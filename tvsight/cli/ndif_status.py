"""The state of an NDIF server: deployed models, versions, and the jobs that were sent to it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from tvsight.config import Folder, Rules, Url
from tvsight.errors import UsageError
from tvsight.texts import one_line

if TYPE_CHECKING:
    from tvsight.execution.ndif.client import NdifClient
    from tvsight.output.console import Display
    from tvsight.storage.job_records import Records


@dataclass(frozen=True)
class Options:
    """The server, and the results folder whose jobs are looked up."""

    rules = Rules(excludes={"forget": (("host",), "no server is asked")})

    host: Url = None
    """The server. By default NDIF_HOST, or what nnsight is configured with."""
    results: Folder = "results"
    """Folder whose jobs are looked up."""
    forget: Annotated[str | None, tyro.conf.arg(metavar="JOB")] = None
    """Forget a job, so that the next run submits it anew. The server is not asked."""


def main(options: Options) -> int:
    """Print deployed models, versions and known jobs; returns the exit code."""
    from tvsight.execution.ndif.client import NdifClient
    from tvsight.execution.ndif.patience import Patience
    from tvsight.execution.ndif.preflight import key_warning, require_key
    from tvsight.output.console import Display
    from tvsight.storage.job_records import Records

    display, records = Display(), Records(Path(options.results))
    if options.forget is not None:
        _forget(records, options.forget)
        display.note(f"Job {options.forget} is forgotten: the next run submits it anew.")
        return 0
    client = NdifClient(options.host, Patience(retries=1), display.note)
    require_key(client)
    if warning := key_warning(client):
        display.note(warning)
    client.check()
    display.note(f"{client.host} is up and accepts the key.")
    _show(display, "Deployed models", _deployments(client), "No model is deployed.")
    _show(display, "Versions", _versions(client), "The server names no packages.")
    _show(display, "Jobs that are known here", _jobs(client, records), "No job is under way.")
    return 0


def _forget(records: "Records", job_id: str) -> None:
    from tvsight.execution.ndif.exchange import brief

    known = {record.job_id: record.name for record in records.all()}
    if job_id not in known:
        ids = ", ".join(brief(one_line(known_id)) for known_id in known) or "none"
        raise UsageError(f"--forget {job_id}: no such job in {records.folder}; known: {ids}.")
    records.forget(known[job_id])


def _deployments(client: "NdifClient") -> list[dict[str, Any]]:
    from tvsight.execution.ndif.preflight import deployments

    return [
        {
            "Model": entry.get("repo_id") or entry["name"],
            "Revision": entry.get("revision") or "main",
            "Level": entry.get("deployment_level", ""),
            "State": entry.get("application_state", ""),
            "Pinned": ("yes" if entry["pinned"] else "no") if "pinned" in entry else "",
            "Precision": entry.get("dtype") or "",
            "Job limit, s": entry.get("execution_timeout_seconds") or "",
        }
        for entry in deployments(client)
    ]


def _versions(client: "NdifClient") -> list[dict[str, Any]]:
    from tvsight.execution.ndif.preflight import versions

    compared = versions(client)
    rows = [("python", compared.local_python, compared.remote_python)]
    rows += [
        (name, one["local"], one["remote"])
        for name, one in sorted(compared.packages.items())
        if one["critical"]
    ]
    return [
        {"Package": name, "Here": here, "Server": there, "": "" if here == there else "differs"}
        for name, here, there in rows
    ]


def _jobs(client: "NdifClient", records: "Records") -> list[dict[str, Any]]:
    rows = []
    for record in records.all():
        answer = client.job(record.job_id) if record.host == client.host else None
        rows.append(
            {
                "For": record.name,
                "Job": record.job_id,
                "Submitted": record.submitted,
                "State": answer.state if answer else "unknown to this server",
                "Server": record.host,
            }
        )
    return rows


def _show(display: "Display", title: str, rows: list[dict[str, Any]], otherwise: str) -> None:
    import pandas as pd

    if rows:
        display.table(pd.DataFrame(rows).astype(str), title)
    else:
        display.note(otherwise)
