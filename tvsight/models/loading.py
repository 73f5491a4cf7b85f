"""Load a model by name and give it the standard view."""

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from huggingface_hub import snapshot_download
from nnsight import TransformersModel
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from tvsight.errors import UsageError, integer, option, unexpected
from tvsight.interventions.decoder import ALIASES, Decoder, adapt, one_at_a_time
from tvsight.models import packages
from tvsight.models.catalogue import catalogue
from tvsight.models.checkpoints import (
    Loading,
    check_configuration,
    check_tensors,
    load_headers,
    unreported,
)
from tvsight.models.model import Model
from tvsight.models.precision import DTYPES, Device, resolve_device, resolve_dtype
from tvsight.models.sources import ModelSource, hub_failure, resolve, weights_identity
from tvsight.models.validation import validate
from tvsight.models.weights import check_files, fingerprint, unmapped

NO_WEIGHTS = re.compile(r"no file named model\.safetensors|does not appear to have a file named")
"""Transformers' message about a checkpoint without weights of the allowed kinds."""
PICKLES = "*.bin*"
"""Files of pickled weights, and their index."""
UNMERGED = "issues during automatic conversion of the weights"
"""Transformers' message about tensors of a checkpoint that it cannot merge."""
ERROR_LINE = re.compile(r"^[\w.]+: .*$", re.MULTILINE)
"""The last line of each trace in a message of transformers."""
MEMORY_SHARE = 0.9
"""Share of a GPU's free memory that weights may fill before several GPUs are used."""


_CHANGED = "The checkpoint {} changed while it was loaded; load it again."


@one_at_a_time
def load(
    name: str | PathLike[str],
    revision: str | None = None,
    device: Device | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    trust_remote_code: bool = False,
    allow_pickled_weights: bool = False,
    report: packages.Report = print,
) -> Model:
    """Load a model: a catalogue alias, a local checkpoint directory, or a hub id.

    Args:
        name: what to load; see `tvsight.models.sources.resolve`. A path is a directory.
        revision: hub revision (branch, tag or commit).
        device: `auto`, `cpu` or `cuda`. A model larger than one GPU is spread over all of them.
        dtype: `auto`, `float32`, `bfloat16` or `float16`, or torch's own.
        trust_remote_code: run code in the checkpoint. Only for authors you trust.
        allow_pickled_weights: read pickled weights, which can run code. Only for authors you trust.
        report: receives a line of text at each slow step.

    Raises:
        UsageError: for an unknown name, an unreachable or gated hub model, an architecture that
            has no standard view, weights that cannot or may not be read, or an absent device.
    """
    flags = {"trust_remote_code": trust_remote_code, "allow_pickled_weights": allow_pickled_weights}
    for flag, value in flags.items():
        if not isinstance(value, bool):  # any text would mean yes
            raise unexpected(flag, "True or False", value)
    if not sys.stderr.isatty():
        disable_progress_bar()
    source = resolve(name, revision)
    place = resolve_device(device)
    precision = resolve_dtype(dtype, place)
    location = _location(source, report)
    identity = weights_identity(source)
    # The commit of a hub model, so that all its files are of one.
    commit = identity.removeprefix("commit:")
    pinned = replace(source, revision=commit) if source.kind == "hub" else source
    if source.kind == "directory":
        check_files(source.name, Path(location), trust_remote_code)
    elif source.kind == "hub":
        described = {"revision": commit, "allow_patterns": "*.json"}
        folder = _reported(source, "configuration", snapshot_download, source.location, **described)
        check_files(source.name, Path(folder), trust_remote_code, whole=False)
    decoder = _skeleton(pinned, location, trust_remote_code)
    weights = DTYPES[precision]
    placement = _placement(decoder.nn, place, weights)
    options = {
        "revision": pinned.revision,
        "trust_remote_code": trust_remote_code,
        "dtype": weights,
        # None: safetensors where there are some.
        "use_safetensors": None if allow_pickled_weights else True,
        "device_map": placement.get("device_map"),
        # A file that is cut while it is mapped would end the process.
        "disable_mmap": True,
        # Transformers would replace layers by compiled code of the hub.
        "use_kernels": False,
    }
    module, loading = _weights(pinned, location, options)
    check_tensors(source.name, loading)
    if allow_pickled_weights:
        unmapped(module)
    decoder.nn = traced(module, decoder.tokenizer, device=placement.get("device"))
    if decoder.dtype != weights:  # transformers falls back to float32 without a word
        raise UsageError(
            f"{source.name} cannot be held in {precision} here; repeat with another "
            f"{option('dtype')}."
        )
    module.requires_grad_(False)
    validate(decoder)
    if _location(source, report) != location or weights_identity(source) != identity:
        raise UsageError(_CHANGED.format(source.name))
    words = torch.cuda.get_device_name() if place == "cuda" else "cpu"
    return Model(
        source, decoder, precision, words, identity, fingerprint(module, decoder.tokenizer)
    )


@one_at_a_time
def load_remote(
    name: str, dtype: str, revision: str | None = None, trust_remote_code: bool = False
) -> Model:
    """Load the structure and tokenizer of a model whose weights are on a server.

    The hub's tensors are compared with the structure by name and shape, where it sends them.

    Args:
        dtype: the precision that the server is expected to hold it in.

    Raises:
        UsageError: as `load` does, and for a model that is no hub model.
    """
    if not sys.stderr.isatty():
        disable_progress_bar()
    source = resolve(name, revision)
    if source.kind != "hub":
        what = "a package" if source.package else "a directory on this machine"
        other = catalogue()[source.name].hub_id if source.package else "one"
        raise UsageError(
            f"{option('remote')}: {name} is {what}, and a server knows hub models only. Name "
            f"{other} with {option('model')}, or use {option('remote_simulated', True)}."
        )
    source = replace(source, on_server=True)
    identity = weights_identity(source)
    # Not pinned to the commit: the server knows the model under the revision that is asked for.
    decoder = _skeleton(source, source.location, trust_remote_code)
    loading = load_headers(decoder.nn._module, source.location, source.revision)
    check_tensors(source.name, loading)
    if weights_identity(source) != identity:
        raise UsageError(_CHANGED.format(source.name))
    described = fingerprint(decoder.nn._module, decoder.tokenizer)
    return Model(source, decoder, dtype, "NDIF", identity, described)


def load_tokenizer(name: str, revision: str | None = None, trust_remote_code: bool = False) -> Any:
    """The tokenizer of a model that `load` would load.

    Raises:
        UsageError: as `load` does.
    """
    source = resolve(name, revision)
    return _tokenizer(source, _location(source, print), trust_remote_code)


def configured_heads(source: ModelSource, trust_remote_code: bool = False) -> int | None:
    """The number of attention heads in all blocks of a model, by its configuration alone.

    None where the configuration does not say, or cannot be read now: `load` says why.
    """
    location = source.location
    if source.package is not None:  # converted when the model is loaded
        location = str(packages.checkpoint_path(source.package))
    options = {"revision": source.revision, "trust_remote_code": trust_remote_code}
    try:
        config = AutoConfig.from_pretrained(location, **options).get_text_config()
    except Exception:  # of any type, from a damaged file
        return None
    depth = integer(getattr(config, "num_hidden_layers", None))
    heads = integer(getattr(config, "num_attention_heads", None))
    return depth * heads if depth and heads else None


def _tokenizer(source: ModelSource, location: str, trust_remote_code: bool) -> Any:
    options = {"revision": source.revision, "trust_remote_code": trust_remote_code}
    tokenizer = _reported(source, "tokenizer", AutoTokenizer.from_pretrained, location, **options)
    if not tokenizer.vocab_size:
        raise UsageError(f"The tokenizer of {source.name} is empty: it has no tokens.")
    return tokenizer


def _skeleton(source: ModelSource, location: str, trust_remote_code: bool) -> Decoder:
    """The model's structure on the meta device, without weights: a refusal costs nothing."""
    options: dict[str, Any] = {"revision": source.revision, "trust_remote_code": trust_remote_code}
    # Asked before the model is built: a causal class for the decoder half clears the flag.
    config = _reported(source, "configuration", AutoConfig.from_pretrained, location, **options)
    if getattr(config, "is_encoder_decoder", False):
        name = (config.architectures or [type(config).__name__])[0]
        raise UsageError(
            f"{name} is an encoder-decoder; task vectors are defined for decoder-only models."
        )
    check_configuration(source.name, config)
    tokenizer = _tokenizer(source, location, trust_remote_code)
    options["dtype"] = torch.bfloat16  # the one precision that grouped expert layers are tried in
    return _reported(source, "architecture", lambda: adapt(traced(location, tokenizer, **options)))


def traced(model: PreTrainedModel | str, tokenizer: Any, **options: Any) -> TransformersModel:
    """The nnsight model of a module, or of a checkpoint without its weights."""
    return TransformersModel(
        model, task="text-generation", tokenizer=tokenizer, rename=ALIASES, **options
    )


def _location(source: ModelSource, report: packages.Report) -> str:
    """The location for transformers: a directory or a hub id."""
    return str(packages.checkpoint(source.package, report)) if source.package else source.location


def _reported(
    source: ModelSource, part: str, read: Callable[..., Any], *arguments: Any, **options: Any
) -> Any:
    """Read a part of the checkpoint, and turn errors of transformers into advice.

    A damaged file can raise errors of any type.
    """
    try:
        return read(*arguments, **options)
    except UsageError:
        raise
    except OSError as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        told = f"The checkpoint {source.name} cannot be read: {str(error).splitlines()[0]}"
        if source.kind != "directory":
            told = hub_failure(source, cause)
        raise UsageError(told) from error
    except (Exception, SystemExit) as error:  # its own code may end the process
        if "trust_remote_code" in str(error):
            raise UsageError(
                f"{source.name} brings its own code, which is not run unless you ask for it: read "
                f"it, then repeat with {option('trust_remote_code', True)}."
            ) from error
        told = f"{type(error).__name__}: {error}"
        raise UsageError(
            f"The {part} of {source.name} cannot be used: {shorten(told, 300)}"
        ) from error


def _placement(nn: TransformersModel, place: str, dtype: torch.dtype) -> dict[str, Any]:
    if place == "cpu":
        return {"device": "cpu"}
    needed = sum(parameter.numel() for parameter in nn._module.parameters()) * dtype.itemsize
    if torch.cuda.device_count() > 1 and needed > MEMORY_SHARE * torch.cuda.mem_get_info()[0]:
        return {"device_map": "auto"}
    return {"device": "cuda"}


def _weights(
    source: ModelSource, location: str, options: dict[str, Any]
) -> tuple[PreTrainedModel, Loading]:
    """The model with its weights, and those that the checkpoint lacks.

    Raises:
        UsageError: when there are no weights that may be read, or reading them fails.
    """
    try:
        with unreported():
            module, told = AutoModelForCausalLM.from_pretrained(
                location, output_loading_info=True, ignore_mismatched_sizes=True, **options
            )
    except (Exception, SystemExit) as error:  # each library raises its own types
        told = f"{type(error).__name__}: {error}"
        if UNMERGED in told:
            problem = (
                "cannot be loaded: tensors that its architecture puts together, such as experts, "
                "are missing or of unequal shapes."
            )
        elif not NO_WEIGHTS.search(told):
            problem = f"cannot be loaded: {ERROR_LINE.findall(told)[-1]}"
        elif source.kind == "directory" and not any(Path(source.location).glob(PICKLES)):
            problem = "holds no weights: model.safetensors, whole or in parts, was expected."
        elif options["use_safetensors"] is None:
            problem = "holds neither safetensors nor pickled weights."
        else:
            problem = (
                "has no safetensors weights, and pickled weights can run code when they are read. "
                f"If you trust their author, repeat with {option('allow_pickled_weights', True)}."
            )
        raise UsageError(f"The checkpoint {source.name} {problem}") from error
    return module, Loading.of(told)
