"""The hub answers as huggingface_hub expects: whole files, parts of files, and refusals."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.helpers.commands import ROOT
from tests.ndif.hub import Hub, Repository

NAME = "local/model"
CONTENT = bytes(range(256))


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "weights.bin").write_bytes(CONTENT)
    with Hub.serving(Repository(NAME, tmp_path)) as hub:
        yield hub.url


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


def test_a_gated_model_is_described_and_its_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with Hub.serving(Repository(NAME, tmp_path, gated=True)) as hub:
        described = httpx.get(f"{hub.url}/api/models/{NAME}")
        refused = httpx.get(f"{hub.url}/{NAME}/resolve/main/config.json")
    assert (described.status_code, described.json()["gated"]) == (200, "manual")
    assert (refused.status_code, refused.headers["X-Error-Code"]) == (403, "GatedRepo")


def test_a_gated_model_without_a_token_is_refused_with_what_to_do(
    tiny_llama: Path, tmp_path: Path
) -> None:
    """As a person runs it. No server is asked: there is none."""
    results = tmp_path / "results"
    where = ("--host", "http://127.0.0.1:9", "--results", str(results))
    with Hub.serving(Repository(NAME, tiny_llama, gated=True)) as hub:
        done = subprocess.run(
            [sys.executable, "-m", "analyses.main_results", "--remote", "--model", NAME, *where],
            cwd=ROOT,
            env=os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "HF_TOKEN": ""},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2, done.stdout + done.stderr
    told = f"error: {NAME} is gated: accept its licence on its hub page, then run `hf auth login`"
    assert done.stderr.startswith(told)
    assert "Traceback" not in done.stderr
    assert list(results.glob("main_results/*")) == []


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
