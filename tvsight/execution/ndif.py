"""An NDIF server over HTTP: what it answers, in our words, and which faults are waited out.

nnsight's own client neither retries nor gives up on a server that stopped answering, and reads
results with an unpickler that runs code. This one does the opposite of each.
"""

import io
import pickle
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import httpx
import tenacity
import torch
import zstandard
from nnsight import CONFIG

from tvsight.errors import ServerError, TvsightError, UsageError

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
"""Between attempts, doubling, with jitter."""
FEW_RETRIES = 2
"""When a server is first asked: its address may be wrong."""
STATES = {
    "RECEIVED": "queued",
    "QUEUED": "queued",
    "PROVISIONING": "queued",
    "DEPLOYING": "queued",
    "DISPATCHED": "running",
    "RUNNING": "running",
    "COMPLETED": "done",
    "ERROR": "failed",
}
"""What a job does, by the server's status."""
GONE = frozenset({403, 404, 410})
"""How an object store answers for a result whose link has expired or that it lost."""


class Fault(Exception):
    """A failure of the server or the connection that may pass."""


class ResultGone(Exception):
    """A finished job whose result is no longer there."""


@dataclass(frozen=True)
class Answer:
    """What the server says of a job."""

    state: str
    """`queued`, `running`, `done` or `failed`."""
    text: str
    link: str | None
    """Where the result is, once it is done."""


@dataclass(frozen=True)
class Patience:
    """How long an unwilling server is put up with."""

    retries: int = 5
    """Further attempts after a fault, per request and per job."""
    request_s: float = 30.0
    """Time for one request and its answer."""
    job_s: float = 5400.0
    """Time for a job, from the moment that this process waits for it."""
    lost_s: float = 120.0
    """A job that does not move for so long after the server had a fault is taken for lost."""
    poll_s: float = 1.0
    """Between two questions about the same job."""


class NdifClient:
    """One server, and how often it failed us.

    Attributes:
        host: its URL, without a final slash.
        faults: what went wrong and was tried again, oldest first, with its time
            (`time.monotonic`).
        received: bytes of results so far.
    """

    def __init__(self, host: str | None, patience: Patience | None = None) -> None:
        """Raises UsageError when `host` is no URL."""
        self.host = (host or CONFIG.API.HOST).rstrip("/")
        if not self.host.startswith(("http://", "https://")):
            raise UsageError(
                f"--host {self.host!r}: a URL was expected, as in http://localhost:8001"
            )
        self.patience = patience or Patience()
        self.faults: list[tuple[float, str]] = []
        self.received = 0
        key = CONFIG.API.APIKEY
        self._headers = {
            "nnsight-version": version("nnsight"),
            "python-version": sys.version,
            **({"ndif-api-key": key} if key else {}),
        }

    def check(self) -> None:
        """Make sure that a server is there, can compute, and accepts the key.

        Raises:
            ServerError: when it is not there, or is not what it should be.
            UsageError: when it does not accept the key.
        """
        few = min(self.patience.retries, FEW_RETRIES)
        response = self._ask("GET", "/connected", accept=(404,), retries=few)
        if response.status_code == 404 or "json" not in response.headers.get("content-type", ""):
            raise ServerError(
                f"{self.host} answers, but is no NDIF server. Check --host (or NDIF_HOST)."
            )
        # A request without its payload: refused for the key first, for the payload only after it.
        self._ask("POST", "/request", accept=(422,), data={"data": '{"model_key": ""}'})

    def get(self, path: str) -> dict[str, Any]:
        """A JSON document of the server: `/status`, `/env`."""
        document: dict[str, Any] = self._ask("GET", path).json()
        return document

    def submit(self, model_key: str, payload: bytes) -> str:
        """Hand over a job; returns the server's name for it."""
        import json

        envelope = json.dumps({"model_key": model_key, "session_id": "", "compress": True})
        response = self._ask(
            "POST",
            "/request",
            data={"data": envelope},
            files={"blob": ("request", payload, "application/octet-stream")},
        )
        return str(response.json()["id"])

    def job(self, job_id: str) -> Answer | None:
        """What became of a job; None where the server knows nothing of it (yet)."""
        response = self._ask("GET", f"/response/{job_id}", accept=(404,))
        if response.status_code == 404:
            return None
        answer = response.json()
        state = STATES.get(answer["status"], "running")
        return Answer(state, answer.get("description") or "", answer.get("data"))

    def result(self, link: str) -> Any:
        """Download what a job saved.

        It is a pickle by nnsight's protocol, and is read without running any code of it: only
        tensors and plain Python are accepted.

        Raises:
            ResultGone: when the object store has it no longer.
            ServerError: when it is anything else.
        """
        response = self._ask("GET", link, accept=tuple(GONE))
        if response.status_code in GONE:
            raise ResultGone(f"its result is gone from the object store ({response.status_code})")
        self.received += len(response.content)
        try:
            content = zstandard.ZstdDecompressor().decompress(response.content)
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except (zstandard.ZstdError, pickle.UnpicklingError, EOFError, RuntimeError) as error:
            raise ServerError(
                f"A result of {self.host} is not what was asked for: only tensors and plain Python "
                f"are accepted, and no code of it was run ({str(error).splitlines()[0]})."
            ) from error

    def note(self, fault: str) -> None:
        """Remember a fault."""
        self.faults.append((time.monotonic(), fault))

    def _ask(
        self,
        method: str,
        path: str,
        accept: tuple[int, ...] = (),
        retries: int | None = None,
        **content: Any,
    ) -> httpx.Response:
        """The answer to one request, with faults waited out.

        Raises:
            ServerError: when the faults do not end.
            UsageError: when the server refuses the request, in its own words.
        """
        link = not path.startswith("/")
        where = path if link else self.host + path
        headers = {} if link else self._headers  # a link is signed, and may lead elsewhere
        what = "the object store" if link else self.host

        def once() -> httpx.Response:
            try:
                response = httpx.request(
                    method, where, headers=headers, timeout=self.patience.request_s, **content
                )
            except httpx.InvalidURL as error:
                raise UsageError(f"--host {self.host}: {error}") from error
            except httpx.TimeoutException as error:
                limit = self.patience.request_s
                raise Fault(f"{what} did not answer within {limit:.0f} s") from error
            except httpx.HTTPError as error:
                raise Fault(f"{what}: {error}") from error
            if response.status_code >= 500:
                raise Fault(f"{what}: {response.status_code}, {_detail(response)}")
            if response.is_error and response.status_code not in accept:
                raise self._refusal(response)
            return response

        return self._patiently(once, self.patience.retries if retries is None else retries)

    def _patiently(self, once: Callable[[], httpx.Response], retries: int) -> httpx.Response:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Fault),
            wait=tenacity.wait_exponential_jitter(FIRST_WAIT_S, LONGEST_WAIT_S),
            stop=tenacity.stop_after_attempt(retries + 1),
            before_sleep=lambda state: self.note(str(state.outcome and state.outcome.exception())),
            reraise=True,
        )
        try:
            return attempts(once)
        except Fault as fault:
            self.note(str(fault))
            raise ServerError(
                f"No NDIF server is to be had: {fault} (tried {retries + 1} times). "
                "Check --host (or NDIF_HOST), or try again later."
            ) from fault

    def _refusal(self, response: httpx.Response) -> TvsightError:
        detail, key = _detail(response), CONFIG.API.APIKEY
        if key:
            detail = detail.replace(key, "…")
        if response.status_code in (401, 403) or "API key" in detail:
            given = "the API key was refused" if key else "no API key was given"
            return UsageError(
                f"{self.host}: {given}. {detail} Set NDIF_API_KEY, or store a key with "
                "`python -c 'import nnsight; nnsight.login()'`."
            )
        return UsageError(f"{self.host} refused the request ({response.status_code}): {detail}")


def _detail(response: httpx.Response) -> str:
    """Why, in the server's words."""
    try:
        body = response.json()
    except ValueError:
        return response.text[:500] or response.reason_phrase
    detail = body.get("detail", body) if isinstance(body, dict) else body
    return str(detail)
