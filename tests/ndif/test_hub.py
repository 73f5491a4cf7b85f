"""The hub answers as huggingface_hub expects: whole files, parts of files, and refusals."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.ndif.hub import Hub, Repository

NAME = "local/model"
CONTENT = bytes(range(256))


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "weights.bin").write_bytes(CONTENT)
    hub = Hub(0, [Repository(NAME, tmp_path)])
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{hub.server_port}"
    hub.shutdown()
    hub.server_close()


@pytest.mark.parametrize(
    ("range_", "status", "part"),
    [
        (None, 200, CONTENT),
        ("bytes=0-9", 206, CONTENT[:10]),
        ("bytes=200-", 206, CONTENT[200:]),
        ("bytes=250-999", 206, CONTENT[250:]),
    ],
)
def test_a_file_is_served_whole_or_in_part(
    url: str, range_: str | None, status: int, part: bytes
) -> None:
    headers = {"Range": range_} if range_ else {}
    answer = httpx.get(f"{url}/{NAME}/resolve/main/weights.bin", headers=headers)
    assert (answer.status_code, answer.content) == (status, part)


def test_a_files_commit_names_it_too(url: str) -> None:
    head = httpx.head(f"{url}/{NAME}/resolve/main/weights.bin")
    commit = head.headers["X-Repo-Commit"]
    tree = httpx.get(f"{url}/api/models/{NAME}/tree/{commit}").json()
    assert [(file["path"], file["size"]) for file in tree] == [("weights.bin", 256)]
    assert head.headers["ETag"] == f'"{tree[0]["oid"]}"'


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("api/models/local/other", "RepoNotFound"),
        (f"api/models/{NAME}/tree/v2", "RevisionNotFound"),
        (f"{NAME}/resolve/main/absent.bin", "EntryNotFound"),
        (f"api/models/{NAME}/tree/main/folder", "EntryNotFound"),
    ],
)
def test_a_refusal_names_what_is_not_there(url: str, path: str, code: str) -> None:
    answer = httpx.get(f"{url}/{path}")
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, code)
