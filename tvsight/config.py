"""One frozen dataclass that says what to measure and how to run it.

Every field is either part of a result's identity (it changes a number) or a runtime choice (it
does not). Only the first kind enters a result's key.
"""

from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

import tyro

from tvsight.errors import UsageError
from tvsight.models.catalogue import EMBEDDED

IDENTITY = {"role": "identity"}
RUNTIME = {"role": "runtime"}
LEAST = {
    "shots": 1,
    "dummy_queries": 1,
    "episodes_per_split": 1,
    "max_in_flight": 1,
    "max_job_episodes": 50,
    "retries": 0,
    "job_minutes": 0.01,
}
"""The smallest value of each option that counts something."""


@dataclass(frozen=True)
class RunConfig:
    """Options of a run. The defaults are the paper's protocol on the embedded model."""

    model: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = field(
        default=(EMBEDDED,), metadata=IDENTITY
    )
    """Models: an alias (see `python -m analyses.models`), a checkpoint directory, or a hub id."""
    tasks: Annotated[str, tyro.conf.arg(metavar="SELECTION")] = field(
        default="paper", metadata=IDENTITY
    )
    """Tasks, separated by commas: names, categories, `paper` (the paper's 18), `all`, or `none`
    (only those of --task-file). `python -m analyses.tasks` lists them."""
    task_file: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FILE ...")] = field(
        default=(), metadata=IDENTITY
    )
    """Files with tasks of your own (JSON, or CSV with two columns); they join --tasks."""
    shots: Annotated[int, tyro.conf.arg(metavar="N")] = field(default=5, metadata=IDENTITY)
    """Demonstrations in a few-shot prompt."""
    dummy_queries: Annotated[int, tyro.conf.arg(metavar="N")] = field(default=2, metadata=IDENTITY)
    """Dummy queries per episode; a task vector is the mean over them."""
    episodes_per_split: Annotated[int, tyro.conf.arg(metavar="N")] = field(
        default=50, metadata=IDENTITY
    )
    """Episodes that choose the layer (dev), and as many that are reported (test)."""
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = field(default=0, metadata=IDENTITY)
    """Seed of the episodes."""
    template: Annotated[str, tyro.conf.arg(metavar="TEMPLATE")] = field(
        default="example", metadata=IDENTITY
    )
    """Prompt template: `example` (the paper's), `arrow`, `question`, or a text of your own such as
    'in:{x} out:{y}\\n'."""
    episodes: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = field(
        default=None, metadata=IDENTITY
    )
    """Replay the exact episodes of this file (JSON lines) instead of sampling. Its tasks replace
    --tasks."""
    revision: Annotated[str | None, tyro.conf.arg(metavar="REVISION")] = field(
        default=None, metadata=IDENTITY
    )
    """Revision of a hub model: branch, tag or commit."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = field(
        default="auto", metadata=IDENTITY
    )
    """Precision. `auto`: float32 on a CPU, bfloat16 on a GPU and on a server."""

    results: Annotated[str, tyro.conf.arg(metavar="FOLDER")] = field(
        default="results", metadata=RUNTIME
    )
    """Folder that holds all results. What is in it is not measured again."""
    device: Literal["auto", "cpu", "cuda"] = field(default="auto", metadata=RUNTIME)
    """Where to run. `auto`: CUDA where there is one, else the CPU."""
    remote: bool = field(default=False, metadata=RUNTIME)
    """Run on an NDIF server: no weights are needed here. The key is NDIF_API_KEY or nnsight's
    login."""
    remote_simulated: bool = field(default=False, metadata=RUNTIME)
    """Run here, but through the serialisation that a server would see. No server, no key."""
    host: Annotated[str | None, tyro.conf.arg(metavar="URL")] = field(
        default=None, metadata=RUNTIME
    )
    """NDIF server of --remote. By default NDIF_HOST, or what nnsight is configured with."""
    max_in_flight: Annotated[int, tyro.conf.arg(metavar="N")] = field(default=2, metadata=RUNTIME)
    """Tasks that wait on a server at once. NDIF runs one job at a time per replica."""
    max_job_episodes: Annotated[int, tyro.conf.arg(metavar="N")] = field(
        default=200, metadata=RUNTIME
    )
    """Cut a split of more episodes than this into several jobs, at a multiple of 50: what a job
    holds in memory, or a server takes for it, does not grow with the number of episodes. Numbers
    change by rounding alone: in float32 the answers and chosen blocks are the same, and
    log-probabilities agree within 1e-5."""
    retries: Annotated[int, tyro.conf.arg(metavar="N")] = field(default=5, metadata=RUNTIME)
    """Times that a fault of the server is waited out, for each request and each job."""
    job_minutes: Annotated[float, tyro.conf.arg(metavar="MINUTES")] = field(
        default=90.0, metadata=RUNTIME
    )
    """How long to wait for a remote job, its time in the queue included."""
    dry_run: bool = field(default=False, metadata=RUNTIME)
    """Print what would be measured, and for --remote what would travel. Nothing is run."""
    save_episodes: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = field(
        default=None, metadata=RUNTIME
    )
    """Write the episodes of this run to a file, in the form that --episodes reads."""
    vectors: bool = field(default=True, metadata=RUNTIME)
    """Keep rows only. By default the task vectors of every episode and block are stored beside
    them, in half precision."""
    redraw: bool = field(default=False, metadata=RUNTIME)
    """Make tables and figures from what is stored. No model is loaded."""
    fail_fast: bool = field(default=False, metadata=RUNTIME)
    """Stop at the first task that fails instead of going on with the others."""
    trust_remote_code: bool = field(default=False, metadata=RUNTIME)
    """Run code that a checkpoint brings. Only for authors you trust."""
    allow_pickled_weights: bool = field(default=False, metadata=RUNTIME)
    """Read weights stored as pickles, which can run code. Only for authors you trust."""

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value < least:
                option = "--" + name.replace("_", "-")
                raise UsageError(f"{option} {value}: at least {least} was expected.")
        if self.remote and self.remote_simulated:
            raise UsageError("--remote and --remote-simulated: choose one of them.")
        if self.host is not None and not self.remote:
            raise UsageError(f"--host {self.host}: it names the server of --remote; add that.")
        if not self.model:
            raise UsageError("--model: at least one model was expected.")


def field_names(role: str) -> set[str]:
    """Names of the fields of `RunConfig` with a role, `identity` or `runtime`."""
    return {entry.name for entry in fields(RunConfig) if entry.metadata.get("role") == role}


def protocol(config: RunConfig) -> dict[str, Any]:
    """The part of a result's identity that a run shares between its models and tasks.

    Replayed episodes carry their own shots, dummy queries and seed.
    """
    sampled = ("shots", "dummy_queries", "episodes_per_split", "seed")
    replayed = config.episodes is not None
    return {name: None if replayed else getattr(config, name) for name in sampled}
