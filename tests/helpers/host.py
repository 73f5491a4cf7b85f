"""A host on loopback that answers as a test says, by path."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, dict[str, str], Any]
"""Status, headers, and a page or what becomes JSON."""


class Handler(BaseHTTPRequestHandler):
    """Answers as `server.answers` says, by path, and keeps all that it was sent."""

    server: "Host"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.received.append((self.path, f"{self.requestline}\n{self.headers}\n{sent!r}"))
        answers = self.server.answers
        status, headers, content = answers.get(self.path, answers["*"])
        page = isinstance(content, str)
        body = content.encode() if page else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if page else "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET


class Host(ThreadingHTTPServer):
    """A host on loopback. What it is not told to answer is not found."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.answers: dict[str, Reply] = {"*": (404, {}, {})}
        self.received: list[tuple[str, str]] = []

    @classmethod
    @contextmanager
    def serving(cls) -> Iterator["Host"]:
        """A host in a thread of this process, while the block lasts."""
        host = cls()
        threading.Thread(target=host.serve_forever, daemon=True).start()
        try:
            yield host
        finally:
            host.shutdown()
            host.server_close()
