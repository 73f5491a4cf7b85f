"""The settings with which the server's programs run on one machine without a GPU, and why."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from tests.ndif import postgres

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parents[1] / ".ndif"
"""The virtual environment that tests/ndif/install makes."""
BUCKET = "ndif-results"
DTYPE = "float32"
"""The precision in which the server holds models."""
TINY, OTHER = "local/tiny-llama", "local/tiny-gpt2"
EMBEDDED = "google/gemma-3-270m"
"""Names of the models of the tests on the hub. The last is in the catalogue."""

PRETEND_GPU_BYTES = 8_000_000_000
"""The controller places models on nodes with a GPU, and where they fit."""
CPUS = 6
"""One for the controller and one for each model actor; Ray only counts them."""

SERVICES = ("redis", "store", "hub", "gcs", "client", "agent", "api", "postgres")
"""Parts that listen on a port: `gcs` is Ray's control store, `client` its server for outsiders such
as the dispatcher, and `agent` a part of a Ray node that would otherwise take a fixed port."""
Ports = Mapping[str, int]


def loopback(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def ray_options(ports: Ports, scratch: Path) -> list[str]:
    """Of `ray start`, for the one node."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # From the first the controller learns where it may run itself, from the others what fits.
    resources = {"head": 1, "cuda_memory_bytes": PRETEND_GPU_BYTES, "cpu_memory_bytes": memory}
    options = {
        "node-ip-address": "127.0.0.1",
        "port": ports["gcs"],
        "ray-client-server-port": ports["client"],
        "dashboard-agent-listen-port": ports["agent"],
        # Of the system's choice: a second server picks from the same fixed range.
        "min-worker-port": 0,
        "max-worker-port": 0,
        "num-cpus": CPUS,
        "num-gpus": 1,
        "resources": json.dumps(resources),
        "object-store-memory": 200_000_000,
        "include-dashboard": "false",
        "include-log-monitor": "false",
        "temp-dir": scratch / "ray",
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    return ["--head", "--block", "--disable-usage-stats", *words]


def redis_options(ports: Ports, scratch: Path) -> list[str]:
    """Of `redis-server`, which writes nothing to the disk."""
    where = ["--bind", "127.0.0.1", "--port", str(ports["redis"]), "--dir", str(scratch)]
    return [*where, "--save", "", "--appendonly", "no"]


def environment(
    ports: Ports, scratch: Path, home: Path, auth: bool, execution_limit_s: float | None
) -> dict[str, str]:
    """All variables of the server's processes; little is inherited.

    Args:
        ports: by the names of `SERVICES`.
        scratch: for what must have a short path, and for what programs write to their user's home.
        home: the cache of its downloads.
        auth: whether the API looks keys up in PostgreSQL.
        execution_limit_s: after which a job is ended; None for no limit.
    """
    env = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
    env |= {
        "HOME": str(scratch),  # a token of Ray in the user's home would shut the server out
        "PATH": f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(HERE / "plugin"),
        # Ray would set 1; with as many threads as the client, numbers are the same to the bit.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(os.cpu_count())),
        "NDIF_HOME": str(home),
        "NDIF_RAY_TEMP_DIR": str(scratch / "ray"),
        "NDIF_REDIS_URL": f"redis://127.0.0.1:{ports['redis']}",
        "NDIF_OBJECT_STORE_URL": loopback(ports["store"]),
        "NDIF_OBJECT_STORE_BUCKET": BUCKET,
        "NDIF_RAY_ADDRESS": f"ray://127.0.0.1:{ports['client']}",
        "NDIF_API_PORT": str(ports["api"]),
        "NDIF_API_URL": loopback(ports["api"]),
        # The package's own configuration binds every interface.
        "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{ports['api']}",
        "NDIF_DEFAULT_MODEL_ACTOR_CLASS": "cpu_model.CPUModelActor",
        "NDIF_DEFAULT_DTYPE": DTYPE,
        "NDIF_DEFAULT_PADDING_BIAS": "0",
        "NDIF_AUTOSCALING_MAX_REPLICAS": "1",
        "NDIF_STATUS_TTL_S": "1",
        "HF_ENDPOINT": loopback(ports["hub"]),
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "GRPC_ENABLE_FORK_SUPPORT": "0",
        "RAY_AUTH_MODE": "disabled",
        # A program that has lost its cluster would start one of its own, which keeps such a token.
        "RAY_ENABLE_AUTO_CONNECT": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        # With clusters of several machines off, Ray binds loopback alone.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # A test machine short of memory should not lose a model to Ray's monitor.
        "RAY_memory_monitor_refresh_ms": "0",
    }
    if execution_limit_s is not None:
        env["NDIF_DEFAULT_EXECUTION_TIMEOUT_SECONDS"] = str(execution_limit_s)
    if auth:
        env["NDIF_POSTGRES_URL"] = postgres.url(ports["postgres"])
    return env
