"""A real NDIF server on loopback, for tests: started, harmed and stopped from a fixture.

It is the published `ndif` package in the virtual environment `.ndif`, with its Redis, an S3 object
store, Ray with the controller and the model actors, the API, and a hub that it and its clients
fetch checkpoints from. `settings.py` and `plugin` hold what differs from an installation with GPUs.
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

from tests.ndif import hub, postgres
from tests.ndif.processes import ENDS, Services, tail
from tests.ndif.settings import (
    BUCKET,
    ENVIRONMENT,
    SERVICES,
    environment,
    loopback,
    ray_options,
    redis_options,
)

PLUGIN = Path(__file__).parent / "plugin"
INSTALL = "bash tests/ndif/install"

START_LIMIT_S = 180.0
PORTS = range(24_100, 32_700)
"""Above those that Ray's client server picks its own from, and below the ephemeral ones."""
EMAIL = "tests@example.org"
"""The account that keys are made for."""


def missing(auth: bool = False) -> str | None:
    """Why no server can be started here, with the command that changes it, or None."""
    absent = [
        name
        for name, found in [
            (".ndif", (ENVIRONMENT / "installed").exists()),
            ("redis-server", shutil.which("redis-server")),
            ("PostgreSQL", not auth or postgres.programs()),
        ]
        if not found
    ]
    return f"an NDIF server needs {' and '.join(absent)}: {INSTALL}" if absent else None


class NdifServer:
    """A running server. `start` makes one; use `stop`, though no process outlives the tests.

    Attributes:
        url: of the API, for `NDIF_HOST`.
        hub_url: of the hub, for `HF_ENDPOINT`.
        key: the one valid API key, or None when the server asks for none.
    """

    def __init__(self, folder: Path, checkpoints: dict[str, Path], auth: bool) -> None:
        # Sockets lie in Ray's folder, and the path of a socket is at most 107 bytes long; the
        # user postgres, too, must be able to pass.
        self._scratch = Path(tempfile.mkdtemp(prefix="ndif-"))
        self._scratch.chmod(0o711)
        self._home = folder / "home"
        self._repositories = [hub.Repository(name, path) for name, path in checkpoints.items()]
        self._ports = dict(zip(SERVICES, _free_ports(len(SERVICES)), strict=True))
        self._services = Services(folder / "logs", self._scratch)
        self.url = loopback(self._ports["api"])
        self.hub_url = loopback(self._ports["hub"])
        self.key = str(uuid.uuid4()) if auth else None

    @classmethod
    def start(
        cls,
        folder: Path,
        checkpoints: dict[str, Path],
        auth: bool = False,
        execution_limit_s: float | None = None,
    ) -> "NdifServer":
        """Start a server and wait until it takes requests.

        Args:
            folder: receives the logs and the server's cache.
            checkpoints: directories by the name under which the hub serves them, `OWNER/NAME`.
            auth: whether requests need an API key.
            execution_limit_s: after which the server ends a job; None for no limit.

        Raises:
            RuntimeError: when a service has ended, or is not up in time, with its log.
        """
        # A signal to end waits until there is a server to stop, which removes its folder.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
        server = None
        try:
            server = cls(folder, checkpoints, auth)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            server._start(execution_limit_s)
        except BaseException:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            if server is not None:
                server.stop()
            raise
        return server

    def stop(self) -> None:
        """End every process. A second call does nothing."""
        left = self._services.stop()
        assert not left, f"processes of the NDIF server are left: {left}"

    def client_environment(self, home: Path) -> dict[str, str]:
        """For a client's process: this server, its hub, an own cache at `home`, and no key.

        The cache is filled with links to the checkpoints.
        """
        for repository in self._repositories:
            repository.fill_cache(home)
        return {
            "NDIF_HOST": self.url,
            "NDIF_API_KEY": "",
            "HF_ENDPOINT": self.hub_url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }

    def get(self, path: str, timeout_s: float = 5.0) -> tuple[int, str]:
        """Status and body of a GET of the API; status 0 when nothing answers."""
        return _get(self.url + path, timeout_s)

    def kill_model_actors(self) -> int:
        """Kill the processes that hold models, and return how many; Ray starts them again."""
        pids = self._services.pids("ray", containing="CPUModelActor")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return len(pids)

    def kill_api(self) -> None:
        """Kill the API and the dispatcher that it runs, with the queues in their memory."""
        self._services.kill("api")

    def start_api(self) -> None:
        """Start the API and wait until it takes requests.

        It may take them a moment before the dispatcher is there, because Redis remembers of the
        last one that it was connected. They wait.
        """
        self._start_api()
        self._wait("api", self._connected)

    def freeze_api(self) -> None:
        """The API accepts connections and answers nothing, until `thaw_api`."""
        self._services.freeze("api")

    def thaw_api(self) -> None:
        self._services.thaw("api")

    def stop_object_store(self) -> None:
        """End the object store, and with it every stored status and result."""
        self._services.kill("store")

    def start_object_store(self) -> None:
        """Start an empty object store."""
        self._start_object_store()
        self._wait("store", self._make_bucket)

    def freeze_object_store(self) -> None:
        """The object store answers nothing and loses nothing, until `thaw_object_store`."""
        self._services.freeze("store")

    def thaw_object_store(self) -> None:
        self._services.thaw("store")

    def logs(self, name: str) -> str:
        """The end of a log: of a service (`api`, `ray`, `store`, `hub`, `redis`, `controller`,
        `postgres`), or of Ray's processes, of which the model actors are some (`actors`)."""
        if name == "actors":
            paths = sorted((self._scratch / "ray" / "session_latest" / "logs").glob("worker-*"))
            return "\n".join(tail(path) for path in paths)
        return self._services.tail(name)

    def _start(self, execution_limit_s: float | None) -> None:
        ports, scratch = self._ports, self._scratch
        auth = self.key is not None
        self._env = environment(ports, scratch, self._home, auth, execution_limit_s)
        if self.key is not None:
            postgres.create(scratch / "postgres", self.key, EMAIL)
            command = postgres.command(scratch / "postgres", ports["postgres"])
            self._services.start("postgres", command, self._env)
        # Each waits for those that it needs, except that the store's bucket is for us to make.
        self._run("ray", "ray", "start", *ray_options(ports, scratch), NDIF_SERVICE="ray")
        launcher = str(PLUGIN / "launch_controller.py")
        address = f"127.0.0.1:{ports['gcs']}"
        self._run("controller", "python", launcher, NDIF_SERVICE="ray", RAY_ADDRESS=address)
        self._start_api()
        redis = shutil.which("redis-server") or "redis-server"
        self._run("redis", redis, *redis_options(ports, scratch))
        for repository in self._repositories:
            repository.fill_cache(self._home)
        served = [f"{item.name}={item.directory}" for item in self._repositories]
        self._run("hub", "python", "-IS", hub.__file__, str(ports["hub"]), *served)
        self.start_object_store()
        self._wait("api", self._connected)

    def _start_api(self) -> None:
        application = "ndif.services.api.app:app"
        configuration = "python:ndif.services.api.gunicorn_conf"
        self._run("api", "gunicorn", "--config", configuration, application, NDIF_SERVICE="api")

    def _start_object_store(self) -> None:
        self._run("store", "moto_server", "-H", "127.0.0.1", "-p", str(self._ports["store"]))

    def _run(self, name: str, program: str, *arguments: str, **env: str) -> None:
        """Start a program of the server's environment, or one given by its path."""
        command = [str(ENVIRONMENT / "bin" / program), *arguments]
        self._services.start(name, command, self._env | env)

    def _connected(self) -> bool:
        return self.get("/connected")[0] == 200

    def _make_bucket(self) -> bool:
        """The server makes its bucket once, and would not again in a store that has lost it."""
        request = urllib.request.Request(f"{loopback(self._ports['store'])}/{BUCKET}", method="PUT")
        return _get(request, 5.0)[0] == 200

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while not ready():
            late = time.monotonic() > deadline
            ended = self._services.ended()
            if late or ended:
                reason = f"not up in {START_LIMIT_S:.0f} s" if late else f"{ended} ended"
                raise RuntimeError(
                    f"NDIF server: {name}: {reason}\n"
                    + "\n".join(f"--- {log}\n{self.logs(log)}" for log in {name, *ended})
                )
            time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, at random, so that two test runs hardly meet."""
    free = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            free.append(port)
        if len(free) == count:
            break
    return free


def _get(request: str | urllib.request.Request, timeout_s: float) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)
