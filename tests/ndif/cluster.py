"""A real NDIF server on two hosts, a head and a worker, started by the commands of docs/remote.md.

The hosts are namespaces (`hosts.py`), so that ports and bindings are those of the package. A third
host holds the bridge between them and is where clients run. What a host's environment holds beside
the commands stands in for its GPU and for the hub.
"""

import json
import shlex
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.helpers.fenced import blocks
from tests.ndif import hub
from tests.ndif.hosts import Host, address
from tests.ndif.processes import Services, tail, wait_until
from tests.ndif.settings import SERVICES, environment, loopback

PAGE = "docs/remote.md"
OUTSIDE, HEAD, WORKER = "outside", "head", "worker"
"""Clients are outside."""
NUMBERS = {OUTSIDE: 1, HEAD: 2, WORKER: 3}
API_PORT, HUB_PORT = 8001, 8899
START_LIMIT_S = 120.0
ROOM = 1.4
"""Memory over the size of the one model that a node is for: the controller adds 15 %."""
WITHOUT_A_GPU = (
    "LANG",
    "HOME",
    "PYTHONPATH",
    "OMP_NUM_THREADS",
    "NDIF_DEFAULT_MODEL_ACTOR_CLASS",
    "NDIF_DEFAULT_DTYPE",
    "NDIF_DEFAULT_PADDING_BIAS",
    "NDIF_STATUS_TTL_S",
    "RAY_AUTH_MODE",
    "RAY_ENABLE_AUTO_CONNECT",
    "RAY_USAGE_STATS_ENABLED",
    "RAY_memory_monitor_refresh_ms",
)
"""Settings that a node shares with a server on one machine; the rest is as published."""
STORE = "#!/bin/sh\nexec moto_server -H 0.0.0.0 -p 9000\n"
"""The program that `ndif start` finds as `rustfs`."""


class Cluster:
    """A running cluster. `stop` ends it, though nothing outlives the tests.

    Args:
        folder: receives the logs.
        placed: by the node that has room for it alone, the name and directory of a model.

    Attributes:
        url: of the API, as clients reach it.
        outside: the host where clients run.
    """

    def __init__(self, folder: Path, placed: Mapping[str, tuple[str, Path]]) -> None:
        self._folder = folder
        self._placed = placed
        self._scratch = Path(tempfile.mkdtemp(prefix="ndif-"))
        self._home = self._scratch / "home"
        self._home.mkdir()
        self._services = Services(folder, self._scratch)
        self._hosts: dict[str, Host] = {}
        self.outside = self._host(OUTSIDE)

    @property
    def url(self) -> str:
        return f"http://{self._hosts[HEAD].address}:{API_PORT}"

    def start(self) -> None:
        """Start both nodes and wait until the server takes requests."""
        for name in (HEAD, WORKER):
            self._host(name)
        first, last = documented("ray start --head"), documented("ndif start rustfs api")
        exports = [line for line in first.splitlines() if line.startswith("export ")]
        self._run(HEAD, first)
        self._run(WORKER, documented("ray start --address"))
        self._run(HEAD, "\n".join([*exports, last]))
        wait_until(lambda: self.nodes() == [[], []], START_LIMIT_S)

    def stop(self) -> None:
        left = self._services.stop()
        assert not left, f"processes of the cluster are left: {left}"

    def client_environment(self, home: Path) -> dict[str, str]:
        """For a client on the host outside: this server, a hub, and its own cache at `home`."""
        return self._hub(home) | {"NDIF_HOST": self.url, "NDIF_API_KEY": ""}

    def kill_worker(self) -> None:
        """End every process of the worker at once, and its network."""
        self._hosts.pop(WORKER).kill()

    def start_worker(self) -> None:
        """Start the worker as a host that has its old address, and nothing of its old memory."""
        self._host(WORKER)
        self._run(WORKER, documented("ray start --address"))

    def nodes(self) -> list[list[str]]:
        """Of every node that the server sees, the models that are deployed on it."""
        with self.outside.entered():
            try:
                with urllib.request.urlopen(f"{self.url}/status", timeout=10) as answer:
                    status: dict[str, Any] = json.load(answer)
            except OSError:  # not up yet
                return []
        nodes = status["cluster"]["nodes"].values()
        return sorted(sorted(map(_name, node["deployments"])) for node in nodes)

    def logs(self) -> str:
        """The ends of all logs: of the commands, of `ndif start`, and of Ray's processes."""
        logs = [*self._folder.glob("*.log"), *self._scratch.glob("*/.ndif/logs/*.log")]
        ray = self._scratch.glob("*/ray/session_2*/logs/worker-*")
        return "\n".join(f"--- {path}\n{tail(path)}" for path in sorted([*logs, *ray]))

    def _run(self, name: str, script: str) -> None:
        log = self._folder / f"{name}.commands.log"
        self._hosts[name].run(script, self._environment(name), log, START_LIMIT_S)

    def _host(self, name: str) -> Host:
        """A host with a hub on its loopback."""
        served = [f"{model}={directory}" for model, directory in self._placed.values()]
        server = shlex.join([sys.executable, "-IS", hub.__file__, str(HUB_PORT), *served])
        disk = self._scratch / name
        disk.mkdir(exist_ok=True)
        host = Host(self._services, name, NUMBERS[name], disk, self._home, server)
        if name == OUTSIDE:
            host.make_bridge()
        else:
            host.join(self.outside)
        self._hosts[name] = host
        return host

    def _environment(self, name: str) -> dict[str, str]:
        """All variables on a node, beside those that the commands set."""
        programs = self._scratch / "programs"
        programs.mkdir(exist_ok=True)
        (programs / "rustfs").write_text(STORE)
        (programs / "rustfs").chmod(0o755)
        ports = dict.fromkeys(SERVICES, 0)
        env = environment(ports, self._home, self._home, auth=False, execution_limit_s=None)
        (weights,) = self._placed[name][1].glob("*.safetensors")
        resources = {"GPU": 1, "CPU": 4, "cuda_memory_bytes": int(ROOM * weights.stat().st_size)}
        return {setting: env[setting] for setting in WITHOUT_A_GPU if setting in env} | {
            **self._hub(self._home),
            "PATH": f"{programs}:{env['PATH']}",
            "RAY_TMPDIR": str(self._home),
            "RAY_OVERRIDE_RESOURCES": json.dumps(resources),
            "NDIF_CONTROLLER_IMPORT_PATH": "cpu_controller.Controller",
            # Ray restarts a model's process on a node that comes back. The controller, which looks
            # for new nodes every 30 s, then deploys the model once more, at a moment of chance.
            "NDIF_CONTROLLER_SYNC_INTERVAL_S": "600",
        }

    def _hub(self, home: Path) -> dict[str, str]:
        return {
            "HF_ENDPOINT": loopback(HUB_PORT),
            "HF_HOME": str(home / "hub"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }


def documented(words: str) -> str:
    """The block of the page that has these words, with the head's address."""
    (code,) = (block.code for block in blocks() if block.page == PAGE and words in block.code)
    return code.replace("HEAD", address(NUMBERS[HEAD]))


def _name(model_key: str) -> str:
    """The model's name on the hub."""
    return str(json.loads(model_key.partition(":")[2])["repo_id"])
