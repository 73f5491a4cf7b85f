"""An NDIF server with the embedded model, on loopback, until it is interrupted: for benchmarks.

python -m tests.ndif.serve
"""

import signal
import tempfile
from pathlib import Path

from tests.ndif.server import NdifServer, missing
from tvsight.models.embedded import checkpoint

NAME = "local/gemma-3-270m"


def main() -> None:
    reason = missing()
    if reason is not None:
        raise SystemExit(reason)
    with tempfile.TemporaryDirectory(prefix="ndif-") as folder:
        server = NdifServer.start(Path(folder), {NAME: checkpoint(print)})
        try:
            settings = server.client_environment(Path(folder) / "home")
            print(*(f"export {name}={value}" for name, value in settings.items()), sep="\n")
            print(f"# {NAME} is served at {server.url}; Ctrl-C ends it", flush=True)
            signal.pause()
        except KeyboardInterrupt:
            pass
        finally:
            server.stop()


if __name__ == "__main__":
    main()
