"""A client that receives the vectors of one task, and how much memory and time it takes.

    python -m tests.execution.result_memory EPISODES DEPTH WIDTH

Another process serves the result, sealed and compressed as a server does it. Prints one JSON
object: `vectors_mb` as they are, `sent_mb` over the network, `before_mb` and `peak_mb` of this
process, and `seconds` to fetch, check and store.
"""

import io
import json
import multiprocessing
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import zstandard
from safetensors.torch import save_file

from benchmarks.memory import peak_gigabytes
from tvsight.execution.ndif.client import NdifClient
from tvsight.execution.ndif.remote import EPISODE_MARGIN, MARGIN
from tvsight.execution.ndif.results import seal, unseal

SERVER_LEVEL = 3
"""Of compression, of NDIF 0.1.2."""
ASKED = "the job"
SPLITS = ("dev", "test")


def serve(shape: tuple[int, int, int], port: Connection) -> None:
    """Serve one result with random vectors, half of them in each split."""
    vectors = {split: torch.randn(shape).half() for split in SPLITS}
    sealed = seal({"value": vectors, "dtype": "bfloat16", "device": "cpu"}, ASKED)
    file = io.BytesIO()
    torch.save({"result": sealed}, file)
    sent = zstandard.ZstdCompressor(level=SERVER_LEVEL).compress(file.getvalue())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    port.send(server.server_port)
    server.handle_request()


def main(episodes: int, depth: int, width: int) -> None:
    here, there = multiprocessing.Pipe()
    shape = (episodes // len(SPLITS), depth, width)
    context = multiprocessing.get_context("spawn")
    server = context.Process(target=serve, args=(shape, there), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{here.recv()}"
    client = NdifClient(url)
    vector_bytes = episodes * depth * width * torch.half.itemsize
    before, began = 1000 * peak_gigabytes(), time.perf_counter()
    most = MARGIN + vector_bytes + EPISODE_MARGIN * episodes
    vectors = unseal(client.result(f"{url}/result", most), ASKED)["value"]
    with TemporaryDirectory() as folder:
        save_file(vectors, Path(folder) / "vectors.safetensors")
    seconds = time.perf_counter() - began
    found = {
        "vectors_mb": vector_bytes / 1e6,
        "sent_mb": client.received / 1e6,
        "before_mb": before,
        "peak_mb": 1000 * peak_gigabytes(),
        "seconds": seconds,
    }
    print(json.dumps({name: round(value, 1) for name, value in found.items()}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
