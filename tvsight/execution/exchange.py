"""One HTTP request and its answer, with a limit to the time of the whole.

httpx limits the time of each read and write, so a server that sends a byte now and then would be
waited for without end.
"""

import threading
import time
from typing import Any

import httpx

SLOWEST = 50_000
"""Bytes a second: a large body has its time at this speed beside the limit."""
CONNECT_SHARE = 0.5
"""Of the limit, for the connection alone. A request that found nobody was certainly not heard."""


def exchange(method: str, url: str, limit_s: float, **content: Any) -> httpx.Response:
    """The answer to a request, read to its end.

    Args:
        content: what `httpx.request` takes besides.

    Raises:
        httpx.TimeoutException: when it is not there in time.
        httpx.HTTPError, httpx.InvalidURL: as `httpx.request` does.
    """
    files = content.get("files", {}).values()
    sent = sum(len(part) for _, part, _ in files if isinstance(part, bytes))
    under_way = _Exchange(method, url, limit_s, content)
    under_way.start()
    deadline = time.monotonic() + limit_s + sent / SLOWEST
    while under_way.is_alive():
        left = deadline + under_way.received / SLOWEST - time.monotonic()
        if left <= 0:
            under_way.given_up = True
            raise httpx.ReadTimeout(f"no whole answer within {limit_s:.0f} s")
        under_way.join(left)
    return under_way.answer()


class _Exchange(threading.Thread):
    """A request on its way. Nobody waits for its end once it is given up."""

    def __init__(self, method: str, url: str, limit_s: float, content: dict[str, Any]) -> None:
        super().__init__(daemon=True)
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
            kind = response.headers.get("content-type", "")
            return httpx.Response(
                response.status_code,
                headers={"content-type": kind},
                content=b"".join(pieces),
                request=response.request,
            )
