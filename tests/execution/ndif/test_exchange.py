"""One request against servers that take their time."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

from tvsight.execution.ndif import exchange as module
from tvsight.execution.ndif.exchange import TooLong, exchange

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
LIMIT_S, STEP_S = 1.0, 0.05
TRICKLE = 600
"""Pieces, one in `STEP_S`: more than the limit has room for."""

MOST = 1_000_000

Answering = Callable[[socket.socket], None]


def ask(
    method: str,
    url: str,
    most: int = MOST,
    waited: Callable[[float, int], None] = lambda seconds, received: None,
    **content: Any,
) -> httpx.Response:
    return exchange(method, url, LIMIT_S, most, waited, **content)


@contextmanager
def server(answer: Answering) -> Iterator[str]:
    """The URL of a server that answers one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                with suppress(OSError):  # the client has gone
                    answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def slowly(connection: socket.socket, content: bytes, count: int = TRICKLE) -> None:
    for piece in range(count):
        connection.sendall(content[piece : piece + 1] or b"x")
        time.sleep(STEP_S)


def silence(connection: socket.socket) -> None:
    time.sleep(STEP_S * TRICKLE)


def slow_head(connection: socket.socket) -> None:
    slowly(connection, (HEAD % 1).replace(b"OK", b"O" + b"K" * TRICKLE))


def slow_body(connection: socket.socket) -> None:
    connection.sendall(HEAD % TRICKLE)
    slowly(connection, b"")


@pytest.mark.parametrize("answer", [silence, slow_head, slow_body])
def test_the_whole_of_a_request_has_a_limit(answer: Answering) -> None:
    """Each byte of the slow ones comes in time, the last one does not."""
    with server(answer) as url:
        began = time.monotonic()
        with pytest.raises(httpx.TimeoutException):
            ask("GET", url)
        assert time.monotonic() - began < STEP_S * TRICKLE


def test_a_large_answer_has_more_time_while_it_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOWEST", 0.5 / STEP_S)
    count = int(2 * LIMIT_S / STEP_S)

    def answer(connection: socket.socket) -> None:
        connection.sendall(HEAD % count)
        slowly(connection, b"y" * count, count)

    with server(answer) as url:
        found = ask("GET", url)
    assert (found.status_code, found.content) == (200, b"y" * count)
    assert found.headers["content-type"] == "text/plain"


def test_a_large_request_has_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    payload = b"z" * 1000
    monkeypatch.setattr(module, "SLOWEST", len(payload) / (4 * LIMIT_S))

    def answer(connection: socket.socket) -> None:
        time.sleep(0.9 * LIMIT_S)  # within the limit of one read
        connection.sendall(HEAD % 2)
        time.sleep(0.9 * LIMIT_S)
        connection.sendall(b"ok")

    with server(answer) as url:
        files = {"blob": ("request", payload, "application/octet-stream")}
        assert ask("POST", url, files=files).text == "ok"


def test_nobody_to_answer_is_told_from_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        port = closing.getsockname()[1]
    with pytest.raises(httpx.ConnectError):
        ask("GET", f"http://127.0.0.1:{port}")


def test_what_is_no_url_is_refused() -> None:
    with pytest.raises(httpx.InvalidURL):
        ask("GET", "http://host:port")


@pytest.mark.parametrize("answer", [silence, slow_body])
def test_somebody_who_waits_hears_of_it(answer: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOLD_EVERY_S", LIMIT_S / 4)
    heard: list[int] = []
    with server(answer) as url, pytest.raises(httpx.TimeoutException):
        ask("GET", url, waited=lambda seconds, received: heard.append(received))
    assert len(heard) >= 2
    assert (heard[-1] > 0) == (answer is slow_body)


def test_an_answer_is_not_read_beyond_what_it_can_have() -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(HEAD % (100 * MOST))
        while True:
            connection.sendall(b"x" * MOST)

    with server(answer) as url, pytest.raises(TooLong, match="more than 1 MB"):
        ask("GET", url)
