"""An NDIF server with the embedded model, on loopback, until it is told to end.

    python -m tests.ndif.serve
    python -m tests.ndif.serve local/one local/two      the same under other names

It prints what a client has to set, and a first command. Paste both into another terminal.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
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
DEPLOY_LIMIT_S = 150.0


def main() -> None:
    reason = missing()
    if reason is not None:
        raise SystemExit(reason)
    serve(sys.argv[1:] or [EMBEDDED], checkpoint(PACKAGE))


def serve(names: Sequence[str], directory: Path) -> None:
    """Serve a checkpoint directory under names of the hub's form until a signal comes."""
    # Shells have background jobs ignore SIGINT, which is how this is ended all the same. Whoever
    # had it ignore SIGHUP (nohup) meant that.
    for number in ENDS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)
    with tempfile.TemporaryDirectory(prefix="ndif-") as folder:
        server = NdifServer.start(Path(folder), dict.fromkeys(names, directory))
        try:
            settings = server.client_environment(Path(folder) / "home")
            for name in names:
                _deploy(server, name, settings)
            print(*(f"export {key}={value}" for key, value in settings.items()), sep="\n")
            print(
                f"python -m analyses.main_results --remote --model {' '.join(names)} "
                f"--dtype {DTYPE} --tasks country_capital --results my_results"
            )
            ending = f"Ctrl-C, or kill {os.getpid()}, ends it"
            print(f"# {', '.join(names)}: served at {server.url}; {ending}")
            sys.stdout.flush()
            signal.pause()
        finally:
            server.stop()


def _deploy(server: NdifServer, name: str, settings: dict[str, str]) -> None:
    """Have the server hold the model, so that it says in which precision before the first job.

    On a busy machine ndif's API may lose its connection to Ray, which it never finds again, and
    the client waits for good. Then it is started anew, once.
    """
    said = _first_job(name, settings)
    if said:
        server.kill_api()
        server.start_api()
        said = _first_job(name, settings)
    if said:
        raise SystemExit(f"{name} could not be deployed:\n{said}\n{server.logs('api')}")


def _first_job(name: str, settings: dict[str, str]) -> str:
    """Run a job with a model. Returns what the client said where that failed, else nothing."""
    command = [sys.executable, "-c", DEPLOY, name]
    env, limit_s = os.environ | settings, DEPLOY_LIMIT_S
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        return f"no answer within {limit_s} s"
    return done.stdout + done.stderr if done.returncode else ""


def _end(number: int, frame: FrameType | None) -> None:
    for each in ENDS:
        signal.signal(each, signal.SIG_IGN)  # what is under way ends the server already
    raise SystemExit(0)


if __name__ == "__main__":
    main()
