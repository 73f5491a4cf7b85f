"""A hub of data sets on loopback: made, filled, read and refused as huggingface_hub asks for it.

What is uploaded stays in memory. Large files go by the protocol of Git LFS, so its clients must not
use that of Xet.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

import huggingface_hub.constants
import pytest

from tests.helpers.changed_checkpoints import ask
from tests.ndif.hub import Handler, Hub

TOKEN = "hf_secret"
LARGE = (".parquet", ".safetensors")


@dataclass
class DataSet:
    """Files by path, and what stands for their state."""

    private: bool = False
    files: dict[str, bytes] = field(default_factory=lambda: {".gitattributes": b""})
    messages: list[str] = field(default_factory=list)

    @property
    def commit(self) -> str:
        facts = sorted((path, content) for path, content in self.files.items())
        return hashlib.sha1(repr((len(self.messages), facts)).encode()).hexdigest()


class DataHub(Hub):
    """A hub that accepts `TOKEN`."""

    def __init__(self) -> None:
        super().__init__(0, [], _Handler)
        self.data: dict[str, DataSet] = {}
        self.objects: dict[str, bytes] = {}
        """Large files that were uploaded, by their SHA-256."""
        self.uploads: list[str] = []
        """The SHA-256 of each large file that was sent, and the path of each small one."""
        self.amid_push: Callable[[], object] = lambda: None
        """Called before the commit of a push."""

    @classmethod
    @contextmanager
    def in_use(
        cls, monkeypatch: pytest.MonkeyPatch, token: str | None = TOKEN
    ) -> "Iterator[DataHub]":
        """A hub that this process asks while the block lasts."""
        with cls().served() as hub:
            ask(hub.url, monkeypatch)
            monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
            monkeypatch.setenv("HF_TOKEN", token or "")
            yield hub


class _Handler(Handler):
    """Routes for data sets."""

    @property
    def hub(self) -> DataHub:
        assert isinstance(self.server, DataHub)
        return self.server

    def do_GET(self) -> None:
        match self._path():
            case ["api", "datasets", owner, name, *rest]:
                revision = rest[1] if rest else "main"
                if data := self._data(f"{owner}/{name}", revision):
                    self._answer(HTTPStatus.OK, _tree(data) if "tree" in rest else _about(data))
            case ["datasets", owner, name, "resolve", revision, *path]:
                if data := self._data(f"{owner}/{name}", revision):
                    self._send(data, "/".join(path))
            case _:
                self._refuse("EntryNotFound")

    def do_PUT(self) -> None:
        self.hub.objects[self._path()[-1]] = self._body()
        self.hub.uploads.append(self._path()[-1])
        self._answer(HTTPStatus.OK, {})

    def do_POST(self) -> None:
        body = self._body()
        match self._path():
            case ["api", "validate-yaml"]:
                self._answer(HTTPStatus.OK, {"warnings": [], "errors": []})
            case _ if not self._is_known():
                self._refuse("Unauthorized", HTTPStatus.UNAUTHORIZED)
            case ["api", "repos", "create"]:
                self._create(json.loads(body))
            case ["api", "datasets", owner, name, "preupload", _]:
                files = json.loads(body)["files"]
                self._answer(HTTPStatus.OK, {"files": self._modes(f"{owner}/{name}", files)})
            case ["datasets", _, _, "info", "lfs", "objects", "batch"]:
                self._answer(HTTPStatus.OK, {"objects": self._batch(json.loads(body)["objects"])})
            case ["api", "datasets", owner, name, "commit", _]:
                lines = [json.loads(line) for line in body.splitlines()]
                self._commit(f"{owner}/{name}", lines)
            case _:
                self._refuse("EntryNotFound")

    def _path(self) -> list[str]:
        self.hub.asked.append(self.path)
        return unquote(urlsplit(self.path).path).strip("/").split("/")

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def _is_known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _data(self, name: str, revision: str) -> DataSet | None:
        data = self.hub.data.get(name)
        if data is None or (data.private and not self._is_known()):
            self._refuse("RepoNotFound")
        elif revision not in ("main", data.commit):
            self._refuse("RevisionNotFound")
        else:
            return data
        return None

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        answer = {"url": f"{self.hub.url}/datasets/{name}"}
        if name in self.hub.data:
            return self._answer(HTTPStatus.CONFLICT, answer)
        if asked["organization"] == "another":
            return self._refuse("Forbidden", HTTPStatus.FORBIDDEN)
        self.hub.data[name] = DataSet(private=asked.get("visibility") == "private")
        self._answer(HTTPStatus.OK, answer)

    def _modes(self, name: str, files: list[dict[str, Any]]) -> list[dict[str, Any]]:
        there = self.hub.data[name].files
        return [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
                "oid": _oid(file["path"], there[file["path"]]) if file["path"] in there else None,
            }
            for file in files
        ]

    def _batch(self, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
        def upload(oid: str) -> dict[str, Any]:
            return {"actions": {"upload": {"href": f"{self.hub.url}/objects/{oid}"}}}

        return [
            one | (upload(one["oid"]) if one["oid"] not in self.hub.objects else {})
            for one in objects
        ]

    def _commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        self.hub.amid_push()
        data = self.hub.data[name]
        header, *operations = ((line["key"], line["value"]) for line in lines)
        if header[1].get("parentCommit") != data.commit:
            return self._refuse("Changed", HTTPStatus.PRECONDITION_FAILED)
        for kind, value in operations:
            if kind == "file":
                data.files[value["path"]] = base64.b64decode(value["content"])
                self.hub.uploads.append(value["path"])
            elif kind == "lfsFile":
                data.files[value["path"]] = self.hub.objects[value["oid"]]
            elif kind == "deletedFile":
                del data.files[value["path"]]
        data.messages.append(header[1]["summary"])
        url = f"{self.hub.url}/datasets/{name}/commit/{data.commit}"
        self._answer(HTTPStatus.OK, {"commitUrl": url, "commitOid": data.commit})

    def _send(self, data: DataSet, path: str) -> None:
        if path not in data.files:
            return self._refuse("EntryNotFound")
        content = data.files[path]
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{_oid(path, content)}"')
        self.send_header("X-Repo-Commit", data.commit)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def _about(data: DataSet) -> dict[str, Any]:
    return {"id": "", "sha": data.commit, "private": data.private, "tags": []}


def _tree(data: DataSet) -> list[dict[str, Any]]:
    return [
        {"type": "file", "path": path, "size": len(content), "oid": _oid(path, content)}
        for path, content in data.files.items()
    ]


def _oid(path: str, content: bytes) -> str:
    """The name that git, or Git LFS, has for a file."""
    if path.endswith(LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
