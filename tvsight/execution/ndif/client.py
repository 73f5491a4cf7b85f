"""A client of an NDIF server over HTTP, which retries, and gives up in the end.

nnsight's own client does neither, and reads results with an unpickler that runs code. This one runs
no code of a result.
"""

import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, TypeVar

import httpx
from nnsight import CONFIG

from tvsight.errors import RefusedError, ServerError, TvsightError, UsageError, option
from tvsight.execution.ndif.exchange import TooLong, brief, document, exchange
from tvsight.execution.ndif.patience import Fault, Patience, patiently
from tvsight.execution.ndif.results import WrongResult, read
from tvsight.foreign import parsed
from tvsight.texts import one_line

Read = TypeVar("Read")

FEW_RETRIES = 2
"""Retries of the first request, whose address may be wrong."""
STATES = {
    **dict.fromkeys(("RECEIVED", "QUEUED", "PROVISIONING", "DEPLOYING"), "queued"),
    **{"COMPLETED": "done", "ERROR": "failed"},
}
"""State of a job, by the server's status; by any other it is running."""
PASSING = frozenset({408, 425, 429})
"""Refusals that pass: too slow, too early, too often."""
UNHEARD = PASSING | {503}
"""Statuses by which a server, or a proxy before it, says that it did nothing about a request."""
TOO_LARGE = 413
NO_SERVER = tuple(range(300, 500))
"""Statuses by which another server may answer `/connected`: redirects and refusals."""
JOB_ID = re.compile(r"[\w.:-]{1,200}", re.ASCII)
"""A server's name for a job. It becomes part of an address."""
LONGEST_ANSWER = 16_000_000
"""Most bytes of an answer that is no result."""
GONE = frozenset({400, 403, 404, 410})
"""Statuses of an object store for a result whose link has expired, or that it lost."""


class Unanswered(Exception):
    """The server did not answer, and may have accepted the job or not."""


class ResultGone(Exception):
    """The result of a finished job is no longer there."""


@dataclass(frozen=True)
class Answer:
    """The server's answer about a job."""

    state: str
    """`queued`, `running`, `done` or `failed`."""
    text: str
    link: str | None
    """URL of the result, once the job is done."""


class NdifClient:
    """A client of one server.

    Attributes:
        host: its URL, without a final slash.
        faults: failures that were followed by another try, oldest first, with their time
            (`time.monotonic`).
        received: bytes of results so far.
        tell: called with sentences on waits and their reasons.
    """

    def __init__(
        self,
        host: str | None,
        patience: Patience | None = None,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Raises UsageError when `host` is no URL."""
        self.host = (host or CONFIG.API.HOST).rstrip("/")
        if not self.host.startswith(("http://", "https://")):
            raise UsageError(
                f"{option('host', repr(self.host))}: a URL was expected, as in http://localhost:8001"
            )
        self.patience = patience or Patience()
        self.faults: list[tuple[float, str]] = []
        self.received = 0
        self.tell = tell
        self._has_served = False
        self._headers = {"nnsight-version": version("nnsight"), "python-version": sys.version}
        """They hold the key once `check` has found an NDIF server."""

    def check(self) -> None:
        """Check that an NDIF server is there, can compute, and accepts the key.

        The key is not sent before this, nor to a host that does not answer as an NDIF server does.

        Raises:
            ServerError: when no NDIF server answers.
            UsageError: when it does not accept the key.
        """
        self.connect()
        if CONFIG.API.APIKEY:
            self._headers["ndif-api-key"] = CONFIG.API.APIKEY
        # A request without its payload: refused for the key first, for the payload only after it.
        data = {"data": '{"model_key": ""}'}
        self._ask("POST", "/request", lambda response: None, accept=(422,), data=data)

    def connect(self) -> None:
        """Check that an NDIF server is there, which gets no key. Raises ServerError."""
        few = min(self.patience.retries, FEW_RETRIES)
        if not self._ask("GET", "/connected", _is_ndif, accept=NO_SERVER, retries=few):
            check = f"Check {option('host')} (or NDIF_HOST)."
            raise ServerError(f"{self.host} answers, but is no NDIF server. {check}")

    def get(self, path: str) -> dict[str, Any]:
        """Get a JSON document of the server: `/status`, `/env`."""
        return self._ask("GET", path, document)

    def submit(self, model_key: str, payload: bytes, job_id: str) -> str:
        """Submit a job. It is sent again only where the server certainly did not receive it.

        Args:
            job_id: a name for the job, by which it can be found when no answer comes.

        Returns:
            The server's name for the job: `job_id`, unless the server gives names of its own.

        Raises:
            Unanswered: when the server may have accepted it.
            ServerError, RefusedError, UsageError: when it has not.
        """
        envelope = {"id": job_id, "model_key": model_key, "session_id": "", "compress": True}
        try:
            return self._ask(
                "POST",
                "/request",
                _job_id,
                repeatable=False,
                data={"data": json.dumps(envelope)},
                files={"blob": ("request", payload, "application/octet-stream")},
            )
        except Fault as fault:
            self.note(str(fault))
            raise Unanswered(str(fault)) from fault

    def job(self, job_id: str) -> Answer | None:
        """Ask about a job; None where the server does not know it (yet)."""
        return self._ask("GET", f"/response/{job_id}", partial(_of_job, job_id), accept=(404,))

    def result(self, link: str, most: int) -> Any:
        """Download the result of a job; see `results.read`.

        Args:
            most: bytes that the result may have.

        Raises:
            ResultGone: when the object store has it no longer.
            WrongResult: when it cannot be read.
            ServerError: when it cannot be fetched.
        """
        found = self._ask("GET", link, lambda response: response, accept=tuple(GONE), most=most)
        if found.status_code in GONE:
            raise ResultGone(f"its result is gone from the object store ({found.status_code})")
        self.received += len(found.content)
        return read(found.content, most)

    def note(self, fault: str) -> None:
        """Remember a fault."""
        self.faults.append((time.monotonic(), fault))

    def _ask(
        self,
        method: str,
        path: str,
        read: Callable[[httpx.Response], Read],
        accept: tuple[int, ...] = (),
        retries: int | None = None,
        repeatable: bool = True,
        most: int = LONGEST_ANSWER,
        **content: Any,
    ) -> Read:
        """Make one request, again after each fault, and read its answer.

        Args:
            read: makes the result of an answer; raises ValueError, KeyError or TypeError where the
                answer is none of an NDIF server.
            accept: statuses of errors that `read` expects.
            repeatable: whether it does no harm to ask twice.
            most: bytes that the answer may have.

        Raises:
            WrongResult: when a result has more bytes than `most`.
            Fault: of a request that is not repeatable, when the server may have received it.
            RefusedError, UsageError: when the server refuses the request, in its own words.
            ServerError: when the faults do not end.
        """
        link = not path.startswith("/")
        where = path if link else self.host + path
        headers = {} if link else self._headers  # a link is signed, and may lead elsewhere
        what = "the object store" if link else self.host
        limit = self.patience.request_s

        def waited(seconds: float, received: int) -> None:
            size = f", {received / 1e6:.1f} MB so far" if received else ""
            self.tell(f"Waiting for {what} to answer, {seconds:.0f} s{size}")

        def once() -> Read:
            try:
                response = exchange(
                    method, where, limit, most=most, waited=waited, headers=headers, **content
                )
            except TooLong as error:
                if link:
                    raise WrongResult(f"it has {error}, more than its job can bring") from error
                raise Fault(f"{what}: the answer has {error}") from error
            except (httpx.InvalidURL, ValueError, OverflowError) as error:  # of an address
                if link:
                    raise WrongResult(f"no link leads to it: {error}") from error
                raise UsageError(f"{option('host', self.host)}: {error}") from error
            except httpx.TimeoutException as error:
                unheard = isinstance(error, httpx.ConnectTimeout)
                raise Fault(f"{what} did not answer within {limit:.0f} s", unheard) from error
            except httpx.HTTPError as error:
                raise Fault(f"{what}: {error}", isinstance(error, httpx.ConnectError)) from error
            status = response.status_code
            if status >= 500 or status in PASSING:
                words = self._words(response)
                raise Fault(f"{what}: {status}, {words}", status in UNHEARD, busy=True)
            if response.is_error and status not in accept:
                raise self._refusal(response)
            try:
                if response.is_redirect and status not in accept:
                    raise ValueError("redirects are not followed")
                found = read(response)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                kind = response.headers.get("content-type") or "no type"
                raise Fault(
                    f"{what}: the answer is not one of an NDIF server ({status}, {kind})"
                ) from error
            self._has_served |= response.is_success and not link
            return found

        def passes(error: BaseException) -> bool:
            return isinstance(error, Fault) and (repeatable or error.unheard)

        tries = 1 + (self.patience.retries if retries is None else retries)
        try:
            return patiently(once, tries, passes, self.note, self.tell)
        except Fault as fault:
            if not passes(fault):
                raise
            self.note(str(fault))
            tried = f"{fault} (tried {tries} times)."
            if link:
                text = f"A result of {self.host} cannot be fetched: {tried}"
            elif self._has_served:
                text = f"The server worked before and does not now: {tried} Try again later."
            elif fault.busy:
                text = f"The server cannot serve now: {tried} Try again later."
            else:
                check = f"Check {option('host')} (or NDIF_HOST), or try again later."
                text = f"No NDIF server can be reached: {tried} {check}"
            raise ServerError(text) from fault

    def _refusal(self, response: httpx.Response) -> TvsightError:
        detail, key = self._words(response), CONFIG.API.APIKEY
        if response.status_code in (401, 403) or "API key" in detail:
            problem = "the API key was refused" if key else "no API key was given"
            return RefusedError(
                f"{self.host}: {problem}. {detail} Set NDIF_API_KEY, or store a key with "
                "`python -c 'import nnsight; nnsight.login()'`."
            )
        refused = f"{self.host} refused the request ({response.status_code}): {detail}"
        if response.status_code == TOO_LARGE:
            return UsageError(f"{refused} Cut the job with a smaller {option('max_job_episodes')}.")
        return RefusedError(refused)

    def _words(self, response: httpx.Response) -> str:
        """Why, in the server's words; a key that they repeat is left out."""
        try:
            body = parsed(response.content)
        except ValueError:
            is_page = "html" in response.headers.get("content-type", "")
            body = response.reason_phrase if is_page else response.text
        detail = body.get("detail", body) if isinstance(body, dict) else body
        key = CONFIG.API.APIKEY
        return one_line(brief(str(detail).replace(key, "…") if key else str(detail)))


def _job_id(response: httpx.Response) -> str:
    job_id = str(document(response)["id"])
    if not JOB_ID.fullmatch(job_id):
        raise ValueError("no name for a job")
    return job_id


def _of_job(job_id: str, response: httpx.Response) -> Answer | None:
    if response.status_code == 404:
        return None
    answer = document(response)
    if answer.get("id", job_id) != job_id:
        other = brief(one_line(str(answer["id"])))
        raise Fault(f"the answer about job {job_id} is about job {other}")
    state = STATES.get(answer["status"], "running")
    link = answer.get("data")
    text = str(answer.get("description") or "")
    return Answer(state, text, link if isinstance(link, str) else None)


def _is_ndif(response: httpx.Response) -> bool:
    """Whether an answer to `/connected` comes from an NDIF server."""
    try:
        return response.is_success and document(response).get("status") == "connected"
    except (ValueError, TypeError):
        return False
