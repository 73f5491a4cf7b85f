"""Requests to a server, and the reading of its answers."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import nnsight
import pytest

from tests.helpers.tiny_llama import HOST, KEY
from tvsight.errors import RefusedError, ServerError, UsageError
from tvsight.execution.ndif import client as ndif
from tvsight.execution.ndif import patience, preflight
from tvsight.execution.ndif.client import NdifClient, ResultGone, Unanswered
from tvsight.execution.ndif.exchange import TooLong
from tvsight.execution.ndif.patience import Patience
from tvsight.execution.ndif.results import WrongResult

MOST = 1_000_000
PAGE = "<html>Please log in</html>"


class Answers(list[Any]):
    """What is answered, request by request, and what was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch, brief_pauses: None) -> Iterator[Answers]:
    answers = Answers()

    def request(method: str, url: str, limit_s: float, **content: Any) -> httpx.Response:
        answers.asked.append({"method": method, "url": url, **content})
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, httpx.Response)
        answer.request = httpx.Request(method, url)
        return answer

    monkeypatch.setattr(ndif, "exchange", request)
    monkeypatch.setattr(nnsight.CONFIG.API, "APIKEY", KEY)
    yield answers
    assert answers == []


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_a_result_that_is_gone_is_told_from_a_fault(answered: Answers, status: int) -> None:
    answered.append(httpx.Response(status))
    with pytest.raises(ResultGone):
        NdifClient(HOST).result("http://store/result", MOST)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal_of_the_key_does_not_show_it(answered: Answers, status: int) -> None:
    answered.append(httpx.Response(status, json={"detail": f"API key {KEY}: None that we know"}))
    with pytest.raises(UsageError) as refused:
        NdifClient(HOST).get("/status")
    assert "Set NDIF_API_KEY" in str(refused.value)
    assert "None that we know" in str(refused.value)
    assert KEY not in str(refused.value)


@pytest.mark.parametrize("key", [None, ""])
def test_words_stay_whole_where_there_is_no_key(
    answered: Answers, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    monkeypatch.setattr(nnsight.CONFIG.API, "APIKEY", key)
    answered.append(httpx.Response(401, json={"detail": "None was given"}))
    with pytest.raises(UsageError, match=r"no API key was given\. None was given"):
        NdifClient(HOST).get("/status")


def test_faults_are_waited_out_and_noted(answered: Answers) -> None:
    answered += [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("late"),
        httpx.Response(503, json={"detail": "reconnecting"}),
        httpx.Response(429, json={"detail": f"{KEY} asks too often"}),
        httpx.Response(502, html=PAGE),
        httpx.Response(200, json={"deployments": {}}),
    ]
    client = NdifClient(HOST)
    assert client.get("/status") == {"deployments": {}}
    assert [fault for _, fault in client.faults] == [
        f"{HOST}: refused",
        f"{HOST} did not answer within 30 s",
        f"{HOST}: 503, reconnecting",
        f"{HOST}: 429, … asks too often",
        f"{HOST}: 502, Bad Gateway",
    ]


@pytest.mark.parametrize("status", [408, 425, 429])
def test_a_refusal_of_the_moment_is_waited_out_and_ends_as_a_fault(
    answered: Answers, status: int
) -> None:
    answered += [httpx.Response(status) for _ in range(3)]
    with pytest.raises(ServerError, match=f"{status}.*tried 3 times"):
        NdifClient(HOST, Patience(retries=2)).job("a1")


def test_a_refusal_for_good_is_not_tried_again(answered: Answers) -> None:
    answered.append(httpx.Response(400, json={"detail": "nnsight 0.8 is too old"}))
    with pytest.raises(RefusedError, match=r"refused the request \(400\): nnsight 0.8 is too old"):
        NdifClient(HOST).job("a1")


def test_a_job_that_is_too_large_fails_alone_with_the_option_to_change(answered: Answers) -> None:
    answered.append(httpx.Response(413))
    with pytest.raises(UsageError, match="--max-job-episodes") as refused:
        NdifClient(HOST).submit("model", b"payload", "a1")
    assert not isinstance(refused.value, RefusedError)


@pytest.mark.parametrize(
    "strange",
    [
        httpx.Response(200, html=PAGE),
        httpx.Response(200, json=["RUNNING"]),
        httpx.Response(200, json={"state": "RUNNING"}),
        httpx.Response(200, json={"status": ["RUNNING"]}),
        httpx.Response(302, headers={"location": "/login"}),
    ],
)
def test_an_answer_of_something_else_is_a_fault_in_words(
    answered: Answers, strange: httpx.Response
) -> None:
    answered += [strange, strange]
    with pytest.raises(ServerError, match=r"the answer is not one of an NDIF server \((200|302), "):
        NdifClient(HOST, Patience(retries=1)).job("a1")


@pytest.mark.parametrize("strange", [httpx.Response(200, html=PAGE), httpx.Response(200, json=1)])
def test_documents_of_something_else_are_faults_too(
    answered: Answers, strange: httpx.Response
) -> None:
    answered += [strange] * 3
    client = NdifClient(HOST, Patience(retries=0))
    for ask in (preflight.versions, preflight.deployments):
        with pytest.raises(ServerError, match="not one of an NDIF server"):
            ask(client)
    with pytest.raises(Unanswered):
        client.submit("model", b"payload", "a1")


@pytest.mark.parametrize(
    "unheard",
    [httpx.ConnectError("refused"), httpx.ConnectTimeout("late")]
    + [httpx.Response(status) for status in (408, 425, 429, 503)],
    ids=str,
)
def test_a_job_that_was_not_heard_of_is_handed_over_again(answered: Answers, unheard: Any) -> None:
    answered += [unheard, httpx.Response(200, json={"id": "a1"})]
    client = NdifClient(HOST)
    assert client.submit("model", b"payload", "a1") == "a1"
    assert len(client.faults) == 1
    assert json.loads(answered.asked[1]["data"]["data"])["id"] == "a1"


@pytest.mark.parametrize(
    "unsure",
    [httpx.ReadTimeout("late"), httpx.ReadError("cut"), httpx.RemoteProtocolError("gone")]
    + [httpx.Response(status) for status in (500, 502, 504)],
    ids=str,
)
def test_a_job_that_may_have_been_accepted_is_not_handed_over_twice(
    answered: Answers, unsure: Any
) -> None:
    answered.append(unsure)
    client = NdifClient(HOST)
    with pytest.raises(Unanswered):
        client.submit("model", b"payload", "a1")
    assert len(client.faults) == 1


def test_a_result_that_cannot_be_fetched_is_no_reason_to_change_the_host(answered: Answers) -> None:
    answered += [httpx.ReadTimeout("late")] * 2
    with pytest.raises(ServerError, match="the object store did not answer") as error:
        NdifClient(HOST, Patience(retries=1)).result("http://store/result", MOST)
    assert "--host" not in str(error.value)


def test_faults_that_do_not_end_name_the_server_and_the_option(answered: Answers) -> None:
    answered += [httpx.ConnectError("refused") for _ in range(3)]
    with pytest.raises(ServerError, match=r"http://server: refused \(tried 3 times\).*--host"):
        NdifClient(HOST, Patience(retries=2)).get("/status")


def test_a_server_that_worked_before_is_no_reason_to_change_the_host(answered: Answers) -> None:
    unavailable = httpx.Response(503, json={"detail": "restarting"})
    answered += [httpx.Response(200, json={}), unavailable, httpx.ConnectError("refused")]
    client = NdifClient(HOST, Patience(retries=0))
    client.get("/status")
    for words in ("503, restarting", "refused"):
        with pytest.raises(ServerError, match=rf"worked before.*: {words} \(tried") as error:
            client.get("/status")
        assert "--host" not in str(error.value)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_says_it_cannot_serve_now_is_no_reason_to_change_the_host(
    answered: Answers, status: int
) -> None:
    answered.append(httpx.Response(status))
    with pytest.raises(ServerError, match=rf"cannot serve now: {HOST}: {status}") as error:
        NdifClient(HOST, Patience(retries=0)).check()
    assert "--host" not in str(error.value)


def test_a_person_is_told_what_is_waited_for(
    answered: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT_S", 12.0)
    monkeypatch.setattr(patience, "LONGEST_WAIT_S", 12.0)
    told: list[str] = []
    answered += [httpx.ConnectError("refused"), httpx.Response(200, json={})]
    NdifClient(HOST, tell=told.append).get("/status")
    assert told == [
        f"{HOST}: refused (try 1 of 6, the next one in 12 s)",
        "The next try is in 7 s",
        "The next try is in 2 s",
    ]
    answered += [httpx.Response(200, json={}), httpx.Response(404)]
    client = NdifClient(HOST, tell=told.append)
    client.get("/status")
    with pytest.raises(ResultGone):
        client.result("http://store/result", MOST)
    del told[:]
    for asked, received in zip(answered.asked[-2:], (0, 2_500_000), strict=True):
        asked["waited"](5.2, received)
    assert told == [
        f"Waiting for {HOST} to answer, 5 s",
        "Waiting for the object store to answer, 5 s, 2.5 MB so far",
    ]


def test_an_answer_about_another_job_is_a_fault(answered: Answers) -> None:
    other, right = ({"id": name, "status": "ERROR", "description": "no"} for name in ("b\n2", "a1"))
    answered += [httpx.Response(200, json=other), httpx.Response(200, json=right)]
    client = NdifClient(HOST)
    assert client.job("a1") == ndif.Answer("failed", "no", None)
    assert [fault for _, fault in client.faults] == ["the answer about job a1 is about job b 2"]


def test_what_is_too_long_is_a_fault_or_no_result(answered: Answers) -> None:
    answered += [TooLong("more than 16 MB"), TooLong("more than 1 MB")]
    client = NdifClient(HOST, Patience(retries=0))
    with pytest.raises(ServerError, match=f"{HOST}: the answer has more than 16 MB"):
        client.get("/status")
    with pytest.raises(WrongResult, match="more than 1 MB, more than its job can bring"):
        client.result("http://store/result", MOST)
    assert [asked["most"] for asked in answered.asked] == [ndif.LONGEST_ANSWER, MOST]


def test_a_host_without_a_scheme_is_refused() -> None:
    with pytest.raises(UsageError, match="--host 'localhost:8001'"):
        NdifClient("localhost:8001")


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, rb'{"id": "\ud800"}', b'{"id": NaN}', b'{"id": "../x y"}', b"\xff\xfe{"],
)
def test_an_answer_that_is_no_document_is_a_fault(answered: Answers, body: bytes) -> None:
    answered.append(httpx.Response(200, content=body))
    with pytest.raises(Unanswered, match="not one of an NDIF server"):
        NdifClient(HOST).submit("m", b"", "id")


@pytest.mark.parametrize("detail", ["x" * 3_000_000, [[0] * 10**6], "\x1b[31m\n" * 10**5])
def test_a_long_refusal_is_cut(answered: Answers, detail: object) -> None:
    answered.append(httpx.Response(404, json={"detail": detail}))
    with pytest.raises(RefusedError) as refused:
        NdifClient(HOST).get("/status")
    assert len(str(refused.value)) < 2000
    answered.append(httpx.Response(404, content=b"[" * 100_000))
    with pytest.raises(RefusedError, match=r"\[\[ … \[\["):
        NdifClient(HOST).get("/status")


@pytest.mark.parametrize(
    "error", [httpx.InvalidURL("no port"), OverflowError("0-65535"), UnicodeError("label")]
)
def test_an_address_that_leads_nowhere_is_a_wrong_result(
    answered: Answers, error: Exception
) -> None:
    answered.append(error)
    with pytest.raises(WrongResult, match=f"no link leads to it: {error}"):
        NdifClient(HOST).result("http://store:99999/", MOST)
