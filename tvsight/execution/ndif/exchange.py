"""One HTTP request and its answer, with a limit to the time of the whole.

httpx limits the time of each read and write, so it would wait without end for a server that sends
a byte now and then.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx

from tvsight.foreign import parsed

SLOWEST = 50_000
"""Bytes a second. A large body has its time at this speed beside the limit."""
CONNECT_SHARE = 0.5
"""Share of the limit for the connection alone. Without one a request was certainly not received."""
LONGEST_TEXT = 1000
"""Most characters that are shown of what a server says."""
TOLD_EVERY_S = 5.0
"""Seconds between messages to somebody who waits."""

Waited = Callable[[float, int], None]
"""Called with the seconds of waiting so far, and the bytes of the answer so far."""


class TooLong(Exception):
    """An answer has more bytes than it may have."""


def exchange(
    method: str, url: str, limit_s: float, most: int, waited: Waited, **content: Any
) -> httpx.Response:
    """Make a request, and read its answer to the end.

    Args:
        most: bytes that the answer may have.
        waited: called every few seconds.
        content: further arguments of `httpx.request`.

    Raises:
        TooLong: when the answer has more bytes.
        httpx.TimeoutException: when it is not there in time.
        httpx.HTTPError, httpx.InvalidURL: as `httpx.request` does.
    """
    files = content.get("files", {}).values()
    sent = sum(len(part) for _, part, _ in files if isinstance(part, bytes))
    under_way = _Exchange(method, url, limit_s, most, content)
    under_way.start()
    began = time.monotonic()
    tell_at = TOLD_EVERY_S
    while under_way.is_alive():
        passed = time.monotonic() - began
        left = limit_s + (sent + under_way.received) / SLOWEST - passed
        if left <= 0:
            under_way.given_up = True
            raise httpx.ReadTimeout(f"no whole answer within {limit_s:.0f} s")
        if passed >= tell_at:
            waited(passed, under_way.received)
            tell_at += TOLD_EVERY_S
        under_way.join(min(left, max(0.0, tell_at - passed)))
    return under_way.answer()


def document(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer."""
    found = parsed(response.content)
    if not isinstance(found, dict):
        raise TypeError(f"a JSON object was expected, got {type(found).__name__}")
    return found


def brief(text: str) -> str:
    """What a server says, without the middle of a long text."""
    half = LONGEST_TEXT // 2
    return text if len(text) <= LONGEST_TEXT else f"{text[:half]} … {text[-half:]}"


class _Exchange(threading.Thread):
    """A request under way. Nobody waits for its end once it is given up."""

    def __init__(
        self, method: str, url: str, limit_s: float, most: int, content: dict[str, Any]
    ) -> None:
        super().__init__(daemon=True)
        self._most = most
        self.received = 0
        self.given_up = False
        self._asked = (method, url)
        self._timeout = httpx.Timeout(limit_s, connect=CONNECT_SHARE * limit_s)
        self._content = content
        self._outcome: httpx.Response | Exception | None = None

    def run(self) -> None:
        try:
            self._outcome = self._read()
        except Exception as error:  # raised where the answer is waited for
            self._outcome = error

    def answer(self) -> httpx.Response:
        if isinstance(self._outcome, httpx.Response):
            return self._outcome
        raise self._outcome or httpx.ReadError("no answer")

    def _read(self) -> httpx.Response:
        with httpx.stream(*self._asked, timeout=self._timeout, **self._content) as response:
            pieces = []
            for piece in response.iter_bytes():
                if self.given_up:
                    break
                pieces.append(piece)
                self.received += len(piece)
                if self.received > self._most:
                    raise TooLong(f"more than {self._most / 1e6:.0f} MB")
            kind = response.headers.get("content-type", "")
            return httpx.Response(
                response.status_code,
                headers={"content-type": kind},
                content=b"".join(pieces),
                request=response.request,
            )
