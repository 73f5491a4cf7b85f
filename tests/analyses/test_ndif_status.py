"""`analyses.ndif_status` without a server, or with something else in its place.

What it says of a real one is tested in tests/ndif.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.called_commands import called
from tests.helpers.commands import cells
from tvsight.storage.job_records import JobRecord, Records

RECORD = JobRecord("to_upper-0123-0", "a1", "http://elsewhere", "key", "digest", "2026-01-01")
ANSWERS: dict[str, Any] = {
    "/connected": {"status": "connected"},
    "/request": {"detail": "a blob is missing"},
    "/env": {"python_version": "3.11.0", "packages": {"torch": "2.0.0"}},
    "/status": {
        "deployments": {
            "one": {"repo_id": "org/model", "application_state": "RUNNING", "pinned": True}
        }
    },
    "/response/b2": {"status": "QUEUED"},
}


class Handler(BaseHTTPRequestHandler):
    """Answers as `server.answers` says: JSON, or a page where that is a text."""

    server: Any

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        answer = self.server.answers.get(self.path)
        page = isinstance(answer, str)
        body = answer.encode() if page else json.dumps(answer).encode()
        self.send_response(422 if self.path == "/request" else 200 if answer else 404)
        self.send_header("Content-Type", "text/html" if page else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()


@pytest.fixture
def server() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Handler)
    server.answers = dict(ANSWERS)
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_deployments_versions_and_jobs_are_listed(server: Any, tmp_path: Path) -> None:
    Records(tmp_path).write(RECORD)
    Records(tmp_path).write(
        JobRecord("next_letter-0123-0", "b2", server.url, "key", "digest", "2026-01-02")
    )
    done = called("ndif_status", "--host", server.url, "--results", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{server.url} is up and accepts the key." in done.stdout
    rows = cells(done)
    assert ["org/model", "main", "", "RUNNING", "yes", "", ""] in rows
    assert any(row[0] == "torch" and row[2:] == ["2.0.0", "differs"] for row in rows)
    states = {row[1]: row[3] for row in rows if len(row) == 5}
    assert states == {"a1": "unknown to this server", "b2": "queued"}


@pytest.mark.parametrize("path", ["/status", "/env", "/response/b2"])
def test_a_page_in_place_of_an_answer_is_an_error_in_words(
    server: Any, tmp_path: Path, path: str
) -> None:
    Records(tmp_path).write(
        JobRecord("next_letter-0123-0", "b2", server.url, "key", "digest", "2026-01-02")
    )
    server.answers[path] = "<html>Please log in</html>"
    done = called("ndif_status", "--host", server.url, "--results", tmp_path)
    assert done.returncode == 3
    assert "the answer is not one of an NDIF server (200, text/html)" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_job_is_forgotten_without_asking_the_server(tmp_path: Path) -> None:
    Records(tmp_path).write(RECORD)
    here = ("--results", tmp_path)
    wrong = called("ndif_status", *here, "--forget", "c3")
    assert wrong.returncode == 2
    assert "--forget c3: no such job" in wrong.stderr
    assert "known: a1" in wrong.stderr
    both = called("ndif_status", *here, "--forget", "a1", "--host", "http://127.0.0.1:9")
    assert both.returncode == 2
    assert "--forget excludes --host: no server is asked" in both.stderr
    done = called("ndif_status", *here, "--forget", "a1")
    assert (done.returncode, done.stderr) == (0, "")
    assert Records(tmp_path).all() == []
