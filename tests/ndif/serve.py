"""An NDIF server with the embedded model, on loopback, until it is told to end.

    python -m tests.ndif.serve

It prints what a client has to set, and a first command. Paste both into another terminal.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

from tests.helpers.embedded import PACKAGE
from tests.ndif.processes import ENDS
from tests.ndif.server import NdifServer, missing
from tests.ndif.settings import DTYPE, EMBEDDED
from tvsight.models.packages import checkpoint

DEPLOY = """
import sys
from nnsight import TransformersModel
from transformers import AutoTokenizer
name = sys.argv[1]
tokenizer = AutoTokenizer.from_pretrained(name)
model = TransformersModel(name, task="text-generation", tokenizer=tokenizer)
with model.trace("a", remote=True):
    model.lm_head.output[0, 0, 0].save()
"""


def main() -> None:
    reason = missing()
    if reason is not None:
        raise SystemExit(reason)
    serve(EMBEDDED, checkpoint(PACKAGE))


def serve(name: str, directory: Path) -> None:
    """Serve a checkpoint directory under a name of the hub's form until a signal comes."""
    # Shells have background jobs ignore SIGINT, which is how this is ended all the same. Whoever
    # had it ignore SIGHUP (nohup) meant that.
    for number in ENDS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)
    with tempfile.TemporaryDirectory(prefix="ndif-") as folder:
        server = NdifServer.start(Path(folder), {name: directory})
        try:
            settings = server.client_environment(Path(folder) / "home")
            _deploy(name, settings)
            print(*(f"export {name}={value}" for name, value in settings.items()), sep="\n")
            print(
                f"python -m analyses.main_results --remote --model {name} --dtype {DTYPE} "
                "--tasks country_capital --results my_results"
            )
            print(f"# {name} is served at {server.url}; Ctrl-C, or kill {os.getpid()}, ends it")
            sys.stdout.flush()
            signal.pause()
        finally:
            server.stop()


def _deploy(name: str, settings: dict[str, str]) -> None:
    """Have the server hold the model, so that it says in which precision before the first job."""
    command = [sys.executable, "-c", DEPLOY, name]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} could not be deployed:\n{done.stdout}{done.stderr}")


def _end(number: int, frame: FrameType | None) -> None:
    for each in ENDS:
        signal.signal(each, signal.SIG_IGN)  # what is under way ends the server already
    raise SystemExit(0)


if __name__ == "__main__":
    main()
