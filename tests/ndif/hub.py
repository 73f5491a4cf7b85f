"""A model hub on loopback: checkpoint directories, served the way huggingface_hub asks for them.

    python tests/ndif/hub.py PORT OWNER/NAME=DIRECTORY ...

It answers for what a model is, which files it has and what is in them, also in ranges, and for the
headers of its parts; of a gated model, for what it is alone. Standard library only, because it is a
process of its own.
"""

import hashlib
import json
import struct
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Self
from urllib.parse import unquote, urlsplit

CHUNK = 1 << 20


class Repository:
    """A checkpoint directory under a repository's name."""

    def __init__(self, name: str, directory: Path, gated: bool = False) -> None:
        self.name = name
        self.directory = directory
        self.gated = gated

    @cached_property
    def files(self) -> dict[str, Path]:
        return {path.name: path for path in sorted(self.directory.iterdir()) if path.is_file()}

    @cached_property
    def commit(self) -> str:
        """Changes when a file does, so that no client's cache outlives it."""
        facts = [(name, path.stat()) for name, path in self.files.items()]
        text = json.dumps([(name, stat.st_size, stat.st_mtime_ns) for name, stat in facts])
        return hashlib.sha1(text.encode()).hexdigest()

    def file_id(self, name: str) -> str:
        return hashlib.sha1(f"{self.commit}/{name}".encode()).hexdigest()

    def fill_cache(self, home: Path) -> None:
        """Put links where huggingface_hub keeps what it has downloaded, for `HF_HOME=home`.

        It still asks which commit is current, and then finds that it has every file. A gigabyte
        need not be copied for each cache.
        """
        folder = home / "hub" / f"models--{self.name.replace('/', '--')}"
        snapshot = folder / "snapshots" / self.commit
        if snapshot.exists():
            return
        snapshot.mkdir(parents=True)
        for name, path in self.files.items():
            (snapshot / name).symlink_to(path.resolve())
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / "main").write_text(self.commit)

    def description(self) -> dict[str, Any]:
        config = json.loads(self.files["config.json"].read_text())
        counts = self._parameter_counts()
        return {
            "id": self.name,
            "modelId": self.name,
            "sha": self.commit,
            "private": False,
            "gated": "manual" if self.gated else False,
            "disabled": False,
            "tags": ["transformers", "safetensors"],
            "pipeline_tag": "text-generation",
            "library_name": "transformers",
            "config": {key: config.get(key) for key in ("architectures", "model_type")},
            "safetensors": {"parameters": counts, "total": counts.total()},
            "siblings": [{"rfilename": name} for name in self.files],
        }

    def tree(self) -> list[dict[str, Any]]:
        return [
            {"type": "file", "path": name, "size": path.stat().st_size, "oid": self.file_id(name)}
            for name, path in self.files.items()
        ]

    def _parameter_counts(self) -> Counter[str]:
        """By data type. The server sizes a model by their total before it loads it."""
        counts: Counter[str] = Counter()
        for header in self.headers().values():
            header.pop("__metadata__", None)
            for tensor in header.values():
                counts[tensor["dtype"]] += prod(tensor["shape"])
        return counts

    def headers(self) -> dict[str, dict[str, Any]]:
        """The header of each file of weights."""
        headers: dict[str, dict[str, Any]] = {}
        for name, path in self.files.items():
            if name.endswith(".safetensors"):
                with path.open("rb") as file:
                    (length,) = struct.unpack("<Q", file.read(8))
                    headers[name] = json.loads(file.read(length))
        return headers


class Hub(ThreadingHTTPServer):
    """Listens on loopback alone."""

    daemon_threads = True

    def __init__(
        self, port: int, repositories: list[Repository], handler: "type[Handler] | None" = None
    ) -> None:
        super().__init__(("127.0.0.1", port), handler or Handler)
        self.repositories = {repository.name: repository for repository in repositories}
        self.asked: list[str] = []
        """The path of each request."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @contextmanager
    def served(self) -> Iterator[Self]:
        """The hub in a thread of this process, while the block lasts."""
        threading.Thread(target=self.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()


class Handler(BaseHTTPRequestHandler):
    """Routes of the hub's protocol; a refusal carries the code by which clients tell it."""

    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, format: str, *args: Any) -> None:
        """Errors alone reach the log: a download is dozens of requests."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        match unquote(urlsplit(self.path).path).strip("/").split("/"):
            case ["api", "models", owner, name, *rest]:
                self._describe(f"{owner}/{name}", rest)
            case [owner, name, "resolve", revision, *path]:
                repository = self._repository(f"{owner}/{name}", revision)
                if repository and repository.gated:
                    self._refuse("GatedRepo", HTTPStatus.FORBIDDEN)
                elif repository:
                    self._resolve(repository, "/".join(path))
            case _:
                self._refuse("EntryNotFound")

    def _describe(self, name: str, rest: list[str]) -> None:
        match rest:
            case [] | ["revision", _]:
                repository = self._repository(name, rest[1] if rest else "main")
                if repository:
                    self._answer(HTTPStatus.OK, repository.description())
            case ["safetensors-metadata", _]:
                repository = self._repository(name, "main")
                if repository and repository.gated:
                    self._refuse("GatedRepo", HTTPStatus.FORBIDDEN)
                elif repository:
                    answer = {"index": {"metadata": {}}, "headers": repository.headers()}
                    self._answer(HTTPStatus.OK, answer)
            case ["tree", revision]:
                repository = self._repository(name, revision)
                if repository:
                    self._answer(HTTPStatus.OK, repository.tree())
            case _:
                self._refuse("EntryNotFound")

    def _repository(self, name: str, revision: str) -> Repository | None:
        repository = self.server.repositories.get(name)
        if repository is None:
            self._refuse("RepoNotFound")
        elif revision not in ("main", repository.commit):
            self._refuse("RevisionNotFound")
            return None
        return repository

    def _resolve(self, repository: Repository, name: str) -> None:
        path = repository.files.get(name)
        if path is None:
            return self._refuse("EntryNotFound")
        size = path.stat().st_size
        start, end = self._range(size)
        partial = (start, end) != (0, size)
        self.send_response(HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(end - start))
        self.send_header("Accept-Ranges", "bytes")
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.send_header("ETag", f'"{repository.file_id(name)}"')
        self.send_header("X-Repo-Commit", repository.commit)
        self.end_headers()
        if self.command == "GET":
            with path.open("rb") as file:
                self._copy(file, start, end)

    def _range(self, size: int) -> tuple[int, int]:
        """The half-open range that is asked for: `bytes=3-`, `bytes=3-7`, or all of it."""
        asked = self.headers.get("Range", "")
        if not asked.startswith("bytes="):
            return 0, size
        first, _, last = asked.removeprefix("bytes=").partition("-")
        return int(first or 0), min(size, int(last) + 1) if last else size

    def _copy(self, file: BinaryIO, start: int, end: int) -> None:
        file.seek(start)
        for offset in range(start, end, CHUNK):
            self.wfile.write(file.read(min(CHUNK, end - offset)))

    def _refuse(self, code: str, status: HTTPStatus = HTTPStatus.NOT_FOUND) -> None:
        self._answer(status, {"error": code}, code)

    def _answer(self, status: HTTPStatus, content: Any, error: str | None = None) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if error:
            self.send_header("X-Error-Code", error)
            self.send_header("X-Error-Message", error)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def main() -> None:
    port, *named = sys.argv[1:]
    pairs = [pair.split("=", 1) for pair in named]
    Hub(int(port), [Repository(name, Path(folder)) for name, folder in pairs]).serve_forever()


if __name__ == "__main__":
    main()
