"""What is checked before anything is sent to a server: the server once, and each model."""

import ipaddress
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import torch
from nnsight import CONFIG
from nnsight.ndif import EnvComparison, get_local_env

from tvsight.errors import RefusedError, ServerError, TvsightError
from tvsight.execution.here import run
from tvsight.execution.jobs import Job
from tvsight.execution.ndif.client import NdifClient
from tvsight.interventions.decoder import Decoder
from tvsight.models.precision import DTYPES
from tvsight.models.random import TINY, random_llama

REHEARSED = 2
"""Episodes of the rehearsal: the fewest that can differ in length. Each brings states of the real
depth and width."""
REHEARSAL_DTYPES = {"bfloat16": torch.bfloat16}
"""Others are rehearsed in float32: with float16 a CPU takes its time."""
SHALLOW = TINY | {
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
    "head_dim": 2,
    "intermediate_size": 2,
}
"""Of a rehearsal's model: the matrices that are as long as its states are wide are thin."""


def key_warning(client: NdifClient) -> str | None:
    """A warning where the key is going to be readable on its way to the server."""
    url = urlsplit(client.host)
    if not CONFIG.API.APIKEY or url.scheme == "https" or _is_loopback(url.hostname or ""):
        return None
    return (
        f"{client.host} is no https address: the API key travels in plain text, and whoever sees "
        "the connection can read it."
    )


def versions(client: NdifClient) -> EnvComparison:
    """The packages here and on the server.

    Raises:
        ServerError: when the server does not say.
    """
    try:
        return EnvComparison(get_local_env(), client.get("/env"))
    except (AttributeError, IndexError, TypeError) as error:
        raise ServerError(f"{client.host}/env does not say what is installed there.") from error


def server_versions(compared: EnvComparison) -> dict[str, str]:
    """The packages on the server that matter to numbers, and its Python."""
    critical = {n: one["remote"] for n, one in compared.packages.items() if one["critical"]}
    return {**critical, "python": compared.remote_python}


def version_warnings(compared: EnvComparison) -> list[str]:
    """What may make a job fail, or give other numbers, over there."""
    found = [
        f"{name} is {one['remote']} on the server and {one['local']} here"
        for name, one in sorted(compared.critical_mismatches.items())
    ]
    here, there = (text.split(".")[:2] for text in (compared.local_python, compared.remote_python))
    if here != there:
        found.append(f"Python is {compared.remote_python} there and {compared.local_python} here")
    return found


def deployments(client: NdifClient) -> list[dict[str, Any]]:
    """What the server has deployed, or knows on its disk: one entry per replica.

    Raises:
        ServerError: when the server does not say.
    """
    found = client.get("/status").get("deployments", {})
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise ServerError(f"{client.host}/status does not say what is deployed there.")
    return [{"name": name, **entry} for name, entry in found.items()]


def deployment(client: NdifClient, decoder: Decoder, dtype: str) -> str:
    """Whether the server holds the model now, in words.

    A server says in which precision it holds a model only of those that are deployed.

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
        return f"deployed in {held}{minutes}"
    others = {str(entry["dtype"]) for entry in found if entry.get("dtype")}
    hint = (
        ""
        if dtype in others or not others
        else f" (other models there: {', '.join(sorted(others))})"
    )
    return (
        "not deployed now: the first job asks for it, and fails if the server cannot hold it, or "
        f"holds it in another precision than {dtype}{hint}"
    )


def other_precision(host: str, held: str, expected: str) -> RefusedError:
    """The error for a server that holds the model otherwise than results are stored under."""
    advice = f"repeat with --dtype {held}" if held in DTYPES else "tvsight measures no such model"
    return RefusedError(f"{host} holds the model in {held}, not {expected}: {advice}.")


def rehearse(job: Job, decoder: Decoder, dtype: str) -> float:
    """Run a job's function here on a random model and a few of its own episodes, serialised as for
    a server and with the modules hidden that a server lacks.

    The random model has the depth, width and precision that is expected of the server's, since a
    job may bring vectors, and is tiny in every other way: 30 MB for a model of 70 billion
    parameters.

    Returns:
        How many bytes the result has for each episode, before it is compressed.

    Raises:
        TvsightError: when what would be sent cannot run by itself.
    """
    shape = {**SHALLOW, "num_hidden_layers": decoder.depth, "hidden_size": decoder.width}
    arguments = [_shortened(argument, SHALLOW["vocab_size"]) for argument in job.arguments]
    try:
        model = random_llama(shape, dtype=REHEARSAL_DTYPES.get(dtype, torch.float32))
        result = run(model, job.function, *arguments, None, remote="local")
    except Exception as error:
        raise TvsightError(
            f"A rehearsal of the first job failed, so nothing was sent: {error}"
        ) from error
    return _size(result) / episodes_of(arguments)


def episodes_of(arguments: Sequence[Any]) -> int:
    """How many episodes are in a job's arguments; 1 where there are no prompts."""
    counts = [len(given["zero_shot"]) for given in arguments if _is_prompts(given)]
    return sum(counts) or 1


def _size(result: Any) -> int:
    """Bytes of the tensors in a result."""
    if isinstance(result, torch.Tensor):
        return result.numel() * result.itemsize
    if isinstance(result, dict):
        return sum(map(_size, result.values()))
    return sum(map(_size, result)) if isinstance(result, list | tuple) else 0


def _shortened(argument: Any, vocabulary: int) -> Any:
    """The first episodes of prompts, in tokens that a small vocabulary has.

    Prompts are a dictionary with an entry per episode under each name, `zero_shot` among them.
    """
    if not _is_prompts(argument):
        return argument
    few = {name: values[:REHEARSED] for name, values in argument.items() if name != "others"}
    tokens = {name: values for name, values in few.items() if not isinstance(values, torch.Tensor)}
    small = json.loads(json.dumps(tokens), parse_int=lambda digits: int(digits) % vocabulary)
    others = {"others": [[0]] * len(small["zero_shot"])} if "others" in argument else {}
    return few | small | others


def _is_prompts(argument: Any) -> bool:
    return isinstance(argument, dict) and "zero_shot" in argument


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
