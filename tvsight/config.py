"""The options of a run, and which of them go together.

Every field is either part of a result's identity (it changes a number) or a runtime choice (it
does not). Only the first kind enters a result's key.
"""

import math
import os
import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal, NamedTuple

import tyro

from tvsight.errors import LARGEST, UsageError, option, refuse_repeated
from tvsight.models.catalogue import EMBEDDED
from tvsight.writing import reason

PAGE_WIDTHS = (3.3, 6.8)
"""Of one column and of two in print, in inches."""
IDENTITY = {"role": "identity", "group": "what"}
RUNTIME = {"role": "runtime", "group": "output"}
PLACE = RUNTIME | {"group": "where"}
SERVER = RUNTIME | {"group": "remote"}
LEAST = {
    "shots": 1,
    "dummy_queries": 1,
    "episodes_per_split": 1,
    "max_in_flight": 1,
    "max_job_episodes": 50,
    "retries": 0,
    "job_minutes": 0.01,
}
"""The smallest value of each option that is a count."""
SAMPLING = ("shots", "dummy_queries", "episodes_per_split", "seed")
"""Options that say how episodes are sampled."""
REPLACED = ("tasks", *SAMPLING, "division")
"""Options that have no effect when episodes come from a file."""
SEPARATED = ("tasks", "shot_counts")
"""Options whose text is a list, separated by commas."""


Count = Annotated[int, tyro.conf.arg(metavar="N")]
File = Annotated[str | None, tyro.conf.arg(metavar="FILE")]
Files = Annotated[tuple[str, ...], tyro.conf.arg(metavar="FILE ...")]
Folder = Annotated[str, tyro.conf.arg(metavar="FOLDER")]
Names = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")]
Selection = Annotated[str, tyro.conf.arg(metavar="SELECTION")]
Url = Annotated[str | None, tyro.conf.arg(metavar="URL")]

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,:-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)?")
"""A name or number, or a hub id: no path, no free text."""


WRITTEN = ("results", "output", "folder", "save_episodes")
"""Options that name a file or folder that a command may write."""


class Rules(NamedTuple):
    """Which options of a command go together. Options have the names of their fields."""

    excludes: Mapping[str, tuple[tuple[str, ...], str]] = {}
    """By option: others that have no effect with it, and why."""
    needs: Mapping[str, str] = {}
    """By option: the one that it needs to have an effect."""
    unused: Mapping[str, str] = {}
    """By option: why it has no effect in this command."""


RULES = Rules(
    excludes={
        "redraw": (
            (
                *("dry_run", "save_episodes", "vectors", "fail_fast", "device"),
                *("remote", "remote_simulated", "host", "max_in_flight", "max_job_episodes"),
                *("retries", "job_minutes", "trust_remote_code", "allow_pickled_weights"),
            ),
            "it measures nothing and loads no model",
        ),
        "dry_run": (("save_episodes", "overwrite"), "it writes nothing"),
        "remote": (
            ("remote_simulated", "device", "allow_pickled_weights"),
            "the server holds and runs the model",
        ),
        "episodes": (REPLACED, "the file brings its own tasks, demonstrations and dummy queries"),
        "answer_tokens": (("vectors",), "whole answers are stored without vectors"),
    },
    needs=dict.fromkeys(("host", "max_in_flight", "retries", "job_minutes"), "remote")
    | dict.fromkeys(("revision", "trust_remote_code", "allow_pickled_weights"), "model")
    | {"trust_method_file": "method_file"},
)
"""Rules of every command that measures, with the options that only some of them have. --dry-run
goes with most options, because it previews their effect."""
VECTOR_RULES = RULES._replace(unused={"vectors": "this analysis is about the vectors."})


@dataclass(frozen=True)
class RunConfig:
    """Options of a run. The defaults are the paper's protocol on the embedded model."""

    model: Names = field(default=(EMBEDDED,), metadata=IDENTITY)
    """Models: an alias (see `python -m analyses.models`), a checkpoint directory, or a hub id. With
    --remote, GPT-J 6B by default, or the first of the aliases that the server runs."""
    tasks: Selection = field(default="paper", metadata=IDENTITY)
    """Tasks, separated by commas: names, categories, `paper` (the paper's 18), `all`, or `none`
    (only those of --task-file). `python -m analyses.tasks` lists them."""
    task_file: Files = field(default=(), metadata=IDENTITY)
    """Files with tasks of your own (JSON, or CSV with two columns), or folders of such files, added
    to --tasks."""
    shots: Count = field(default=5, metadata=IDENTITY)
    """Demonstrations in a few-shot prompt."""
    dummy_queries: Count = field(default=2, metadata=IDENTITY)
    """Dummy queries per episode; a task vector is the mean over them."""
    episodes_per_split: Count = field(default=50, metadata=IDENTITY)
    """Episodes that choose the layer (dev); the same number is reported (test)."""
    seed: Annotated[tuple[int, ...], tyro.conf.arg(metavar="N ...")] = field(
        default=(0,), metadata=IDENTITY
    )
    """Seed of the episodes. `main_results`, `function_vectors` and `heads` measure several, draw
    the first and compare all; `controls` does so with renamed labels alone."""
    division: Literal["halves", "todd"] = field(default="halves", metadata=IDENTITY)
    """Pairs for queries. `halves`: one half for dev and one for test, every pair may be shown;
    `todd`: 70 % are shown, 21 % asked on test and 9 % on dev (Todd et al. 2024)."""
    template: Annotated[str, tyro.conf.arg(metavar="TEMPLATE")] = field(
        default="example", metadata=IDENTITY
    )
    """Prompt template: `example` (the paper's), `arrow`, `question`, or a text of your own such as
    'in:{x} out:{y}\\n'."""
    episodes: File = field(default=None, metadata=IDENTITY)
    """Replay the exact episodes of this file (JSON lines) instead of sampling. It contains its own
    tasks, demonstrations and dummy queries. Episodes that do not suit a model's tokenizer are left
    out."""
    revision: Annotated[str | None, tyro.conf.arg(metavar="REVISION")] = field(
        default=None, metadata=IDENTITY
    )
    """Revision of a hub model: branch, tag or commit."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = field(
        default="auto", metadata=IDENTITY
    )
    """Precision. `auto`: float32 on a CPU, bfloat16 on a GPU and on a server."""

    results: Folder = field(default="results", metadata=RUNTIME)
    """Folder of all results. Results in it are not measured again."""
    device: Literal["auto", "cpu", "cuda"] = field(default="auto", metadata=PLACE)
    """Where to run. `auto`: CUDA where there is one, else the CPU."""
    remote: bool = field(default=False, metadata=SERVER)
    """Run on an NDIF server; no weights are needed here. The key comes from NDIF_API_KEY or
    nnsight's login."""
    remote_simulated: bool = field(default=False, metadata=SERVER)
    """Run here, through the serialisation that a server would see. Needs no server and no key."""
    host: Url = field(default=None, metadata=SERVER)
    """NDIF server of --remote. Default: NDIF_HOST, or the host in nnsight's configuration."""
    max_in_flight: Count = field(default=2, metadata=SERVER)
    """Tasks on a server at once. NDIF runs one job at a time per replica."""
    max_job_episodes: Count = field(default=200, metadata=SERVER)
    """Cut a split of more episodes than this into several jobs, at a multiple of 50, so that the
    memory and time of a job do not grow with the number of episodes. Numbers change by rounding
    alone: in float32 the answers and chosen blocks are the same, and log-probabilities agree
    within 1e-5."""
    retries: Count = field(default=5, metadata=SERVER)
    """Retries after a temporary fault of the server, for each request and each job."""
    job_minutes: Annotated[float, tyro.conf.arg(metavar="MINUTES")] = field(
        default=90.0, metadata=SERVER
    )
    """Time limit for a remote job, including its time in the queue."""
    dry_run: bool = field(default=False, metadata=RUNTIME)
    """List what would be measured, and for --remote what would travel. Nothing is run."""
    save_episodes: File = field(default=None, metadata=RUNTIME)
    """Write the episodes of this run to a file, in the form that --episodes reads."""
    vectors: Annotated[
        bool, tyro.conf.arg(help_behavior_hint="(default: vectors are stored, in half precision)")
    ] = field(default=True, metadata=RUNTIME)
    """Store rows only, without the task vectors of every episode and block."""
    redraw: bool = field(default=False, metadata=RUNTIME)
    """Draw tables and figures from stored results. No model is loaded."""
    overwrite: bool = field(default=False, metadata=RUNTIME)
    """Replace tables and figures that cover more tasks, models or results than the run, too."""
    fail_fast: bool = field(default=False, metadata=PLACE)
    """Stop at the first task that fails, instead of continuing with the others."""
    captions: Literal["short", "full", "none"] = field(default="short", metadata=RUNTIME)
    """What is written into figures. `short`: the finding, and a line on sizes and intervals;
    `full`: the whole caption instead of that line; `none`: neither. The whole caption is always
    written beside the figure, as Markdown."""
    width: Annotated[float, tyro.conf.arg(metavar="INCHES")] = field(
        default=PAGE_WIDTHS[1], metadata=RUNTIME
    )
    """Width of the page that figures are laid out for: 6.8 (two columns) down to 3.3 (one)."""
    verbose: bool = field(default=False, metadata=RUNTIME)
    """Print all tables, with intervals and all columns, and the name of every file."""
    svg: bool = field(default=False, metadata=RUNTIME)
    """Write figures as SVG too."""
    trust_remote_code: bool = field(default=False, metadata=PLACE)
    """Run code that a checkpoint contains. Only for authors you trust."""
    allow_pickled_weights: bool = field(default=False, metadata=PLACE)
    """Read weights stored as pickles, which can run code. Only for authors you trust."""

    def __post_init__(self) -> None:
        check_values(self)
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value < least:
                raise UsageError(f"{option(name, value)}: at least {least} was expected.")
        least, most = PAGE_WIDTHS
        if not least <= self.width <= most:
            expected = f"{least} to {most} inches were expected."
            raise UsageError(f"{option('width', self.width)}: {expected}")
        for name in ("model", "seed"):
            values = getattr(self, name)
            if not values:
                raise UsageError(f"{option(name)}: at least one {name} was expected.")


def check_values(options: Any) -> None:
    """Refuse values that are wrong for every option.

    Args:
        options: a dataclass, one field an option.

    Raises:
        UsageError: for an empty text, a number that is NaN, infinite or very large, an entry
            named twice, and a place that no file can have.
    """
    for entry in fields(options):
        value = getattr(options, entry.name)
        values = value if isinstance(value, tuple) else (value,)
        if entry.name in SEPARATED and isinstance(value, str):
            words = [word.strip() for word in value.split(",") if word.strip()]
            refuse_repeated(entry.name, words, [word.lstrip("0") for word in words])
        refuse_repeated(entry.name, values, values)
        for one in values:
            if isinstance(one, str) and not one.strip():
                raise UsageError(
                    f"{option(entry.name, repr(one))}: the text is empty. Give a value, or leave "
                    "the option out."
                )
            if entry.name in WRITTEN and isinstance(one, str):
                try:
                    os.lstat(one)
                except (FileNotFoundError, NotADirectoryError):
                    pass
                except (OSError, ValueError) as error:  # a name that is too long, say
                    raise UsageError(f"{option(entry.name, one)}: {reason(error)}.") from error
            if isinstance(one, int) and abs(one) > LARGEST:
                raise UsageError(f"{option(entry.name)}: at most 18 digits were expected.")
            if isinstance(one, float) and not math.isfinite(one):
                raise UsageError(f"{option(entry.name, one)}: a finite number was expected.")


def check_given(given: Mapping[str, str], rules: Rules, usual: Collection[str] = ()) -> None:
    """Refuse options that have no effect together.

    Args:
        given: the option as typed, such as `--no-vectors`, by field, such as `vectors`.
        usual: the fields that are given with their default. They change nothing, so they exclude
            no other.

    Raises:
        UsageError: when the options of a command do not go together.
    """
    for name, typed in given.items():
        if name in rules.unused:
            raise UsageError(f"{typed}: {rules.unused[name]}")
    for name, (others, why) in rules.excludes.items():
        idle = [given[other] for other in others if other in given]
        if name in given and name not in usual and idle:
            raise UsageError(
                f"{given[name]} excludes {', '.join(idle)}: {why}. Leave out one or the other."
            )
    for name, needed in rules.needs.items():
        if name in given and needed not in given:
            raise UsageError(
                f"{given[name]} does nothing without {option(needed)}: add that, or leave it out."
            )


def field_names(role: str) -> set[str]:
    """Names of the fields of `RunConfig` with a role, `identity` or `runtime`."""
    return {entry.name for entry in fields(RunConfig) if entry.metadata.get("role") == role}


def command(name: str, options: RunConfig) -> str:
    """The command that draws an analysis, with the options that change what it shows.

    A value that may be a path or free text is left for the reader to fill in: no file of results
    holds a path.
    """
    words = ["python", "-m", f"analyses.{name}"]
    runtime = field_names("runtime")
    for entry in fields(options):
        value = getattr(options, entry.name)
        if entry.name in runtime or value == entry.default:
            continue
        words.append(option(entry.name, value if isinstance(value, bool) else None))
        if not isinstance(value, bool):
            values = value if isinstance(value, tuple) else (value,)
            words += [str(one) if PLAIN.fullmatch(str(one)) else "..." for one in values]
    return shlex.join(words)


def protocol(config: RunConfig) -> dict[str, Any]:
    """The part of a result's identity that a run shares between its models and tasks.

    Replayed episodes carry their own shots, dummy queries and seed.
    """
    if config.episodes is not None:
        return dict.fromkeys(SAMPLING)
    sampling = {name: getattr(config, name) for name in SAMPLING} | {"seed": one_seed(config)}
    divided = {} if config.division == "halves" else {"division": config.division}
    return sampling | divided


def one_seed(config: RunConfig) -> int:
    """The seed of a run that has one.

    Raises:
        UsageError: when it has several.
    """
    if len(config.seed) > 1:
        given = " ".join(map(str, config.seed))
        raise UsageError(
            f"{option('seed', given)}: only main_results, controls, function_vectors and heads "
            f"compare seeds, and without {option('save_episodes')}. Give one seed here."
        )
    return config.seed[0]
