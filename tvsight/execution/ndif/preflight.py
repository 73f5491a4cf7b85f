"""Check a server and its models, and rehearse jobs, before anything is sent."""

import ipaddress
import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import torch
from nnsight import CONFIG
from nnsight.ndif import EnvComparison, get_local_env

from tvsight.errors import RefusedError, ServerError, TvsightError, UsageError, option
from tvsight.execution.here import run
from tvsight.execution.jobs import Job
from tvsight.execution.ndif.client import NdifClient
from tvsight.execution.ndif.exchange import brief
from tvsight.interventions.decoder import Decoder
from tvsight.models.catalogue import HOSTED, catalogue
from tvsight.models.precision import DTYPES
from tvsight.models.random import TINY, random_llama
from tvsight.prompts.tokens import few_episodes

FIELDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("model_key", "repo_id", "revision", "dtype"), str),
    **dict.fromkeys(("application_state", "deployment_level"), str),
    "pinned": bool,
    "execution_timeout_seconds": (int, float),
}
"""The fields that a server gives of a deployed model, and their kinds; others are left out."""
LONGEST_ENVIRONMENT = 100_000
"""Most characters of all versions that a server names."""
REHEARSED = 2
"""Episodes of a rehearsal: the fewest that can differ in length. Each brings states of the real
depth and width."""
REHEARSAL_DTYPES = {"bfloat16": torch.bfloat16}
"""Precisions that are rehearsed as they are. Others are rehearsed in float32: float16 is slow on a
CPU."""
SHALLOW = TINY | {
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
    "head_dim": 2,
    "intermediate_size": 2,
}
"""Shape of a rehearsal's model. The matrices that are as long as the states are wide are thin."""
PUBLIC = ".ndif.us"
"""The end of the names of NDIF's own servers."""
RUNS = ("RUNNING", "DEPLOYING")
"""States of models that a server runs, or is about to. Those that lie on its disk have none."""
REPOSITORY = re.compile(r'"repo_id":\s*"([^"]+)"')
"""The id on the hub, in a server's name for a model."""


def key_warning(client: NdifClient) -> str | None:
    """A warning where others can read the key on its way to the server; None elsewhere."""
    url = urlsplit(client.host)
    if not CONFIG.API.APIKEY or url.scheme == "https" or _is_loopback(url.hostname or ""):
        return None
    return (
        f"{client.host} is no https address: the API key travels in plain text, and whoever sees "
        "the connection can read it."
    )


def require_key(client: NdifClient) -> None:
    """Check that there is a key for NDIF itself, which always needs one. Nobody is asked.

    Raises:
        RefusedError: when there is none.
    """
    if f".{urlsplit(client.host).hostname}".endswith(PUBLIC) and not CONFIG.API.APIKEY:
        raise RefusedError(
            f"{client.host} needs an API key: get one at https://login.ndif.us, set NDIF_API_KEY "
            "or run `python -c 'import nnsight; nnsight.login()'`, and repeat the command."
        )


def versions(client: NdifClient) -> EnvComparison:
    """Compare the packages here and on the server.

    Raises:
        ServerError: when the server does not say.
    """
    try:
        compared = EnvComparison(get_local_env(), client.get("/env"))
        said = "".join(one["remote"] for one in compared.packages.values())
        if len(said) > LONGEST_ENVIRONMENT:
            raise ValueError("longer than the names of versions are")
        return compared
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ServerError(f"{client.host}/env does not say what is installed there.") from error


def server_versions(compared: EnvComparison) -> dict[str, str]:
    """The versions of Python and of the packages on the server that matter to numbers."""
    critical = {n: one["remote"] for n, one in compared.packages.items() if one["critical"]}
    return {**critical, "python": compared.remote_python}


def version_warnings(compared: EnvComparison) -> list[str]:
    """The differences that may make a job fail on the server, or change its numbers."""
    found = [
        f"{name} is {one['remote']} on the server and {one['local']} here"
        for name, one in sorted(compared.critical_mismatches.items())
    ]
    if compared.local_python.split(".")[:2] != compared.remote_python.split(".")[:2]:
        found.append(f"Python is {compared.remote_python} there and {compared.local_python} here")
    return found


def deployments(client: NdifClient) -> list[dict[str, Any]]:
    """The models that the server has deployed, or has on its disk: one entry per replica, with
    those of `FIELDS` that are of their kind.

    Raises:
        ServerError: when the server does not say.
    """
    found = client.get("/status").get("deployments", {})
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise ServerError(f"{client.host}/status does not say what is deployed there.")
    return [
        {"name": brief(name)}
        | {
            field: brief(value) if isinstance(value, str) else value
            for field, value in entry.items()
            if isinstance(value, FIELDS.get(field, ()))
        }
        for name, entry in found.items()
    ]


def usual_model(client: NdifClient) -> tuple[str, str]:
    """The hub id of the model of a run that names none, and why it is that one.

    It is `HOSTED` where the server runs it, else the first of the catalogue that it runs. Pinned
    models come before others, which some keys may not use.

    Raises:
        ServerError: when the server does not say what it runs.
        UsageError: when it runs no model of the catalogue.
    """
    running = [one for one in deployments(client) if one.get("application_state") in RUNS]
    names = sorted({str(one["repo_id"]) for one in running if one.get("repo_id")})
    pinned = {str(one.get("repo_id")).lower() for one in running if one.get("pinned", True)}
    known = catalogue()
    paper = known[HOSTED].hub_id
    ids = [paper, *(entry.hub_id for entry in known.values())]
    there = [one for one in ids if one.lower() in map(str.lower, names)]
    if not there:
        listed = f"{', '.join(names)}, none of the catalogue" if names else "no model now"
        raise UsageError(f"{client.host} runs {listed}: name a model with {option('model')}.")
    model = next((one for one in there if one.lower() in pinned), there[0])
    if model == paper:
        return model, "the paper's, which runs there"
    lacks = "is not pinned" if paper in there else "does not run"
    return model, f"the first of the catalogue, since {paper} {lacks} there"


def deployment(client: NdifClient, decoder: Decoder, dtype: str) -> str:
    """A sentence on whether the server holds the model now.

    A server names the precision of deployed models only.

    Raises:
        ServerError: when the hub does not say under which id it has the model.
        RefusedError: when the server holds the model in another precision.
    """
    try:
        key = decoder.nn.to_model_key()
    except Exception as error:  # the hub client raises a dozen unrelated types
        raise ServerError(
            "The server knows models by their id on the hub, which could not be asked for it: "
            f"{error}"
        ) from error
    found = deployments(client)
    for entry in found:
        if entry.get("model_key") != key or entry.get("application_state") == "UNHEALTHY":
            continue
        held = entry.get("dtype") or dtype
        if held != dtype:
            raise other_precision(client.host, held, dtype)
        limit = entry.get("execution_timeout_seconds")
        minutes = f", jobs of at most {limit / 60:.0f} minutes" if limit else ""
        free = "" if entry.get("pinned", True) else ", not pinned: some keys may not use it"
        return f"deployed in {held}{minutes}{free}"
    others = {str(entry["dtype"]) for entry in found if entry.get("dtype")}
    named = f" (other models there: {', '.join(sorted(others))})"
    hint = named if others and dtype not in others else ""
    return (
        "not deployed now: the first job asks for it, and fails if the server cannot hold it, or "
        f"holds it in another precision than {dtype}{hint}"
    )


def other_precision(host: str, held: str, expected: str) -> RefusedError:
    """The error for a server that holds the model in another precision than results are stored
    under."""
    repeat = f"repeat with {option('dtype', held)}"
    advice = repeat if held in DTYPES else "tvsight measures no such model"
    return RefusedError(f"{host} holds the model in {held}, not {expected}: {advice}.")


def not_pinned(client: NdifClient, model_key: str) -> RefusedError:
    """The error for a key that may use pinned models only, with those that the server has pinned.

    Args:
        model_key: the server's name for the model, which holds its id on the hub.
    """
    try:
        entries = [entry for entry in deployments(client) if entry.get("pinned")]
    except TvsightError:  # the list is a help, not the reason
        entries = []
    found = REPOSITORY.search(model_key)
    pinned = ", ".join(sorted({str(entry.get("repo_id") or entry["name"]) for entry in entries}))
    listed = f"Pinned now: {pinned}." if pinned else "`python -m analyses.ndif_status` lists those."
    return RefusedError(
        f"{client.host} runs only pinned models for this API key, and "
        f"{found[1] if found else 'the model'} is not pinned. {listed} Name one with "
        f"{option('model')}, or "
        "ask the operators of the server for a key that may load others (of NDIF: "
        "https://ndif.us)."
    )


def rehearse(job: Job, decoder: Decoder, dtype: str) -> float:
    """Run a job here on a random model and a few of its episodes, serialised as for a server and
    without the modules that a server lacks.

    The random model has the depth, width and precision of the server's, since a job may bring
    vectors. It is tiny in every other way: 30 MB for a model of 70 billion parameters.

    Returns:
        The bytes of the result for each episode, before compression.

    Raises:
        TvsightError: when the job cannot run by itself.
    """
    shape = {**SHALLOW, "num_hidden_layers": decoder.depth, "hidden_size": decoder.width}
    prompts = job.arguments[: job.prompts]
    others = job.arguments[job.prompts :] if job.small is None else job.small
    few = [few_episodes(of_split, REHEARSED, SHALLOW["vocab_size"]) for of_split in prompts]
    small = replace(job, arguments=(*few, *others))
    try:
        model = random_llama(shape, dtype=REHEARSAL_DTYPES.get(dtype, torch.float32))
        result = run(model, job.function, *small.arguments, progress=None, remote="local")
    except Exception as error:
        raise TvsightError(
            f"A rehearsal of the first job failed, so nothing was sent: {error}"
        ) from error
    return _size(result) / small.episodes


def _size(result: Any) -> int:
    """The bytes of the tensors in a result."""
    if isinstance(result, torch.Tensor):
        return result.numel() * result.itemsize
    if isinstance(result, dict):
        return sum(map(_size, result.values()))
    return sum(map(_size, result)) if isinstance(result, list | tuple) else 0


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
