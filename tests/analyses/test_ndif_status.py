"""`analyses.ndif_status` without a server, or with something else in its place.

What it says of a real one is tested in tests/ndif.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.called_commands import called
from tests.helpers.commands import cells
from tests.helpers.host import Host
from tvsight.storage.job_records import JobRecord, Records

RECORD = JobRecord("to_upper-0123-0", "a1", "http://elsewhere", "key", "digest", "2026-01-01")
STATUS = {
    "deployments": {"one": {"repo_id": "org/model", "application_state": "RUNNING", "pinned": True}}
}
ANSWERS = {
    "/connected": {"status": "connected"},
    "/env": {"python_version": "3.11.0", "packages": {"torch": "2.0.0"}},
    "/status": STATUS,
    "/response/b2": {"status": "QUEUED"},
}


@pytest.fixture
def server() -> Iterator[Host]:
    with Host.serving() as host:
        host.answers |= {path: (200, {}, content) for path, content in ANSWERS.items()}
        host.answers["/request"] = (422, {}, {"detail": "a blob is missing"})
        yield host


def test_deployments_versions_and_jobs_are_listed(server: Host, tmp_path: Path) -> None:
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
    server: Host, tmp_path: Path, path: str
) -> None:
    Records(tmp_path).write(
        JobRecord("next_letter-0123-0", "b2", server.url, "key", "digest", "2026-01-02")
    )
    server.answers[path] = (200, {}, "<html>Please log in</html>")
    done = called("ndif_status", "--host", server.url, "--results", tmp_path)
    assert done.returncode == 3
    assert "the answer is not one of an NDIF server (200, text/html)" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_job_is_forgotten_without_asking_the_server(tmp_path: Path) -> None:
    other = replace(RECORD, name="other-0123-0", job_id="b\n2" + 3000 * "x", submitted="2026-01-09")
    for record in (RECORD, other):
        Records(tmp_path).write(record)
    here = ("--results", tmp_path)
    wrong = called("ndif_status", *here, "--forget", "c3")
    assert wrong.returncode == 2
    assert "--forget c3: no such job" in wrong.stderr
    assert "known: a1, b 2x" in wrong.stderr
    assert len(wrong.stderr) < 2000
    both = called("ndif_status", *here, "--forget", "a1", "--host", "http://127.0.0.1:9")
    assert both.returncode == 2
    assert "--forget excludes --host: no server is asked" in both.stderr
    done = called("ndif_status", *here, "--forget", "a1")
    assert (done.returncode, done.stderr) == (0, "")
    assert Records(tmp_path).all() == [other]
