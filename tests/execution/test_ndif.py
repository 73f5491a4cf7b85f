"""What is asked of a server, and what is made of its answers."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import nnsight
import pytest
import torch
import zstandard

from tests.execution.conftest import HOST, KEY
from tvsight.errors import RefusedError, ServerError, TvsightError, UsageError
from tvsight.execution import ndif, preflight
from tvsight.execution.ndif import NdifClient, ResultGone, Unanswered
from tvsight.execution.patience import Patience

PAGE = "<html>Please log in</html>"


class Shell:
    """What runs a command when a pickle of it is read without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


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


def saved(value: Any) -> httpx.Response:
    file = io.BytesIO()
    torch.save(value, file)
    return httpx.Response(200, content=zstandard.ZstdCompressor().compress(file.getvalue()))


def test_a_result_of_tensors_and_plain_python_is_read(answered: Answers) -> None:
    value = {"result": {"value": [torch.ones(2).half(), True, "text", 1.5], "device": "cpu"}}
    answered.append(saved(value))
    found = NdifClient(HOST).result("http://store/result?signature=1")
    assert str(found) == str(value)


def test_a_result_that_would_run_code_is_refused_and_does_not(
    answered: Answers, tmp_path: Path
) -> None:
    answered.append(saved({"result": Shell(tmp_path / "was-here")}))
    with pytest.raises(TvsightError, match="only tensors and plain Python"):
        NdifClient(HOST).result("http://store/result")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"<html>", zstandard.compress(b"no result")])
def test_a_result_that_is_none_is_refused_in_words(answered: Answers, content: bytes) -> None:
    answered.append(httpx.Response(200, content=content))
    with pytest.raises(TvsightError, match="only tensors and plain Python"):
        NdifClient(HOST).result("http://store/result")


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_a_result_that_is_gone_is_told_from_a_fault(answered: Answers, status: int) -> None:
    answered.append(httpx.Response(status))
    with pytest.raises(ResultGone):
        NdifClient(HOST).result("http://store/result")


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


def test_a_result_that_cannot_be_fetched_is_no_reason_to_change_the_host(
    answered: Answers,
) -> None:
    answered += [httpx.ReadTimeout("late")] * 2
    with pytest.raises(ServerError, match="the object store did not answer") as error:
        NdifClient(HOST, Patience(retries=1)).result("http://store/result")
    assert "--host" not in str(error.value)


def test_faults_that_do_not_end_name_the_server_and_the_option(answered: Answers) -> None:
    answered += [httpx.ConnectError("refused") for _ in range(3)]
    with pytest.raises(ServerError, match=r"http://server: refused \(tried 3 times\).*--host"):
        NdifClient(HOST, Patience(retries=2)).get("/status")


def test_a_host_without_a_scheme_is_refused() -> None:
    with pytest.raises(UsageError, match="--host 'localhost:8001'"):
        NdifClient("localhost:8001")
