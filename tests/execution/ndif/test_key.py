"""The API key goes to a host that answers as an NDIF server does, and nowhere else."""

from collections.abc import Iterator
from typing import Any

import nnsight
import pytest

from tests.helpers.host import Host, Reply
from tests.helpers.tiny_llama import KEY
from tvsight.errors import ServerError, UsageError
from tvsight.execution.ndif.client import NdifClient, ResultGone
from tvsight.execution.ndif.patience import Patience
from tvsight.execution.ndif.preflight import key_warning

CONNECTED: Reply = (200, {}, {"status": "connected"})
PATIENCE = Patience(retries=0, request_s=5)


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Host, Host]]:
    """The host that is asked, and another."""
    monkeypatch.setattr(nnsight.CONFIG.API, "APIKEY", KEY)
    with Host.serving() as host, Host.serving() as other:
        yield host, other


def with_key(host: Host) -> list[str]:
    """The paths of the requests that held the key."""
    return [path for path, text in host.received if KEY in text]


@pytest.mark.parametrize("path", ["/connected", "*"])
@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, "<html>Please log in</html>"),
        (200, {}, {"status": "ok"}),
        (200, {}, {"status": ["connected"]}),
        (200, {}, ["connected"]),
        (200, {}, "pong"),
        (201, {}, {}),
        (400, {}, {"detail": "no such path"}),
        (401, {}, {"detail": "a key is missing"}),
        (403, {}, {"status": "connected"}),
        (404, {}, {"detail": "not found"}),
    ],
    ids=str,
)
def test_a_host_that_is_no_ndif_server_gets_no_key(
    hosts: tuple[Host, Host], answer: Any, path: str
) -> None:
    host, _ = hosts
    host.answers[path] = answer
    with pytest.raises(ServerError, match=r"answers, but is no NDIF server\. Check --host"):
        NdifClient(host.url, PATIENCE).check()
    assert [path for path, _ in host.received] == ["/connected"]
    assert with_key(host) == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_host_that_does_not_work_gets_no_key(hosts: tuple[Host, Host], status: int) -> None:
    host, _ = hosts
    host.answers["*"] = (status, {}, {"status": "connected"})
    with pytest.raises(ServerError, match=str(status)):
        NdifClient(host.url, PATIENCE).check()
    assert host.received != []
    assert with_key(host) == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_neither_with_the_key_nor_without(
    hosts: tuple[Host, Host], status: int
) -> None:
    """Neither when the host is first asked, nor by one that has shown to be a server."""
    host, other = hosts
    other.answers |= {"/connected": CONNECTED, "*": (200, {}, {"status": "QUEUED", "id": "a1"})}
    redirect: Reply = (status, {"Location": f"{other.url}/connected"}, {})
    host.answers["*"] = redirect
    client = NdifClient(host.url, PATIENCE)
    with pytest.raises(ServerError, match="answers, but is no NDIF server"):
        client.check()
    assert with_key(host) == []
    host.answers |= {"/connected": CONNECTED, "/request": (422, {}, {})}
    client.check()
    for path in ("/status", "/env"):
        with pytest.raises(ServerError, match=f"not one of an NDIF server .{status}"):
            client.get(path)
    assert other.received == []


def test_nothing_that_is_asked_before_the_check_holds_the_key(hosts: tuple[Host, Host]) -> None:
    host, _ = hosts
    client = NdifClient(host.url, PATIENCE)
    client.job("a1")
    with pytest.raises(UsageError, match="404"):
        client.submit("model", b"payload", "a1")
    assert len(host.received) == 2
    assert with_key(host) == []


def test_a_server_gets_the_key_once_it_has_shown_what_it_is_and_its_object_store_never(
    hosts: tuple[Host, Host],
) -> None:
    host, store = hosts
    host.answers |= {"/connected": CONNECTED, "/request": (422, {}, {}), "/status": (200, {}, {})}
    client = NdifClient(host.url, PATIENCE)
    client.check()
    client.get("/status")
    client.job("a1")
    with pytest.raises(ResultGone):
        client.result(f"{store.url}/result?signature=1", most=1000)
    assert host.received[0][0] == "/connected"
    assert with_key(host) == ["/request", "/status", "/response/a1"]
    assert len(store.received) == 1
    assert with_key(store) == []


@pytest.mark.parametrize(
    ("host", "warned"),
    [
        ("http://192.168.1.7:8001", True),
        ("http://api.ndif.us", True),
        ("http://localhost.example.org", True),
        ("http://[2001:db8::1]:8001", True),
        ("https://api.ndif.us", False),
        ("http://localhost:8001", False),
        ("http://127.0.0.2:8001", False),
        ("http://[::1]:8001", False),
    ],
)
def test_a_key_that_travels_in_plain_text_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, host: str, warned: bool
) -> None:
    monkeypatch.setattr(nnsight.CONFIG.API, "APIKEY", KEY)
    client = NdifClient(host)
    warning = key_warning(client)
    assert (warning is not None) == warned
    if warning:
        assert warning.startswith(f"{host} is no https address: the API key travels in")
        assert KEY not in warning
    monkeypatch.setattr(nnsight.CONFIG.API, "APIKEY", None)
    assert key_warning(client) is None
