"""Changes of a test server's clients, by the name of what each replaces."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import torch

from tests.ndif import blocks
from tests.ndif.processes import wait_until
from tvsight.errors import MeasurementError
from tvsight.execution.jobs import Job
from tvsight.execution.ndif import client as ndif
from tvsight.execution.ndif.client import NdifClient
from tvsight.execution.ndif.patience import Patience
from tvsight.models.precision import DTYPES
from tvsight.protocol.central import MainResults

LIMIT_S = 300
"""No client lives longer."""
Changes = dict[str, Any]
"""New values by the dotted name of what they replace."""

logs: list[Path] = []
"""Where this client writes; set in its process."""


def nothing(*arguments: Any, **options: Any) -> None:
    pass


QUICK = {
    "tvsight.execution.ndif.patience.Patience": partial(
        Patience, request_s=3.0, lost_s=2.0, unconfirmed_s=2.0, poll_s=0.1
    ),
    "tvsight.execution.ndif.patience.FIRST_WAIT_S": 0.2,
    "tvsight.execution.ndif.patience.LONGEST_WAIT_S": 0.5,
    "tvsight.execution.ndif.exchange.TOLD_EVERY_S": 1.0,
    "tvsight.experiments.main_results.report.draw": nothing,
}
"""Every client here waits for seconds where others wait for minutes, and draws nothing."""
SLOW_BLOCK = {"tvsight.protocol.measure.measure": blocks.measure}
BROKEN = "next_letter"
"""The task of `ONE_BROKEN` whose block raises."""


def one_broken(self: MainResults, model: Any) -> Any:
    """`MainResults.steps`, with a block that fails in one task."""
    steps = _steps(self, model)
    return _breaking(steps) if self.task.name == BROKEN else steps


def _breaking(steps: Any) -> Iterator[list[Job]]:
    (job,) = next(steps)
    yield [replace(job, function=blocks.broken)]


_steps = MainResults.steps
STEPS = "tvsight.protocol.central.MainResults.steps"
ONE_BROKEN = {STEPS: one_broken}


def with_vectors(self: MainResults, model: Any) -> Any:
    """`MainResults.steps`, after a job that brings vectors and gets them back, doubled."""
    shape = (model.decoder.depth, model.decoder.width)
    numbers = torch.arange(float(shape[0] * shape[1])).reshape(shape)
    means = {str(dtype): numbers.to(dtype) for dtype in DTYPES.values()}
    (back,) = yield [Job(blocks.doubled, (means,))]
    for name, vectors in means.items():
        if not torch.equal(back[name], 2 * vectors):
            raise MeasurementError(f"{name}: other vectors came back than were sent")
    return (yield from _steps(self, model))


VECTORS_SENT = {STEPS: with_vectors}


def result_when_told(self: NdifClient, link: str, most: int) -> Any:
    """`NdifClient.result`, once the test says so (see `tell`)."""
    print(WAITING, flush=True)
    wait_until(_told(logs[-1]).exists, LIMIT_S)
    return _result(self, link, most)


def tell(log: Path) -> None:
    """Let the client that writes to `log` go on."""
    _told(log).touch()


def _told(log: Path) -> Path:
    return log.with_name(f"{log.name}.told")


WAITING = "the result is there"
_result = NdifClient.result
RESULT_WHEN_TOLD = {"tvsight.execution.ndif.client.NdifClient.result": result_when_told}


def submit_and_note(self: NdifClient, model_key: str, payload: bytes, job_id: str) -> str:
    """`NdifClient.submit`, noting the job."""
    job_id = _submit(self, model_key, payload, job_id)
    with submitted(logs[-1]).open("a") as file:
        file.write(f"{job_id}\n")
    return job_id


def submitted(log: Path) -> Path:
    return log.with_name(f"{log.name}.jobs")


def exchange_without_answer(method: str, url: str, limit_s: float, **content: Any) -> Any:
    """`exchange`, whose first job reaches the server, and the answer to it nobody."""
    response = _exchange(method, url, limit_s, **content)
    if "files" in content and not _lost_answers:
        job_id = response.json()["id"]
        _lost_answers.append(job_id)
        with submitted(logs[-1]).open("a") as file:
            file.write(f"{job_id}\n")
        raise httpx.ReadError("the answer was lost")
    return response


_exchange = ndif.exchange
_lost_answers: list[str] = []
ANSWER_LOST = {"tvsight.execution.ndif.client.exchange": exchange_without_answer}


_submit = NdifClient.submit
NOTED = {"tvsight.execution.ndif.client.NdifClient.submit": submit_and_note}
