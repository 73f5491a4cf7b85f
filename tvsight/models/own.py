"""A model that a person holds in memory, with the standard view and the identity of its weights."""

import hashlib
import json
from pathlib import PurePath
from typing import Any

import torch
from transformers import PreTrainedModel

from tvsight.errors import UsageError, unexpected
from tvsight.interventions.decoder import adapt, one_at_a_time
from tvsight.models.loading import traced
from tvsight.models.model import Model
from tvsight.models.packages import Report
from tvsight.models.precision import DTYPES
from tvsight.models.sources import ModelSource
from tvsight.models.validation import validate
from tvsight.models.weights import OF_PLACE, fingerprint, hooks, settings

SLOW = 10_000_000_000
"""Bytes of weights whose digest a person should wait for: a second for 1.4 billion."""


@one_at_a_time
def own_model(held: Any, tokenizer: Any = None, report: Report = print) -> Model:
    """The standard view of a model that is loaded already. It shares the weights, and takes their
    gradients away.

    Args:
        held: a causal language model of transformers, or an nnsight model of one, such as a
            `TransformersModel` or nnterp's `StandardizedTransformer`.
        tokenizer: by default that of the nnsight model.
        report: is told before a slow step.

    Raises:
        UsageError: for any other object, a model without a tokenizer, on the meta device or in
            training mode, and as `load` does for an architecture that has no standard view.
    """
    module = getattr(held, "_module", held)
    if not isinstance(module, PreTrainedModel):
        raise unexpected("name", "a model's name, the path of its directory, or a model", held)
    tokenizer = getattr(held, "tokenizer", None) if tokenizer is None else tokenizer
    if tokenizer is None:
        raise UsageError("tokenizer: a model of transformers has none: tvsight.load(model, tok).")
    if module.device.type == "meta":
        raise UsageError("model: its weights are not loaded; load it with dispatch=True.")
    if module.training:
        raise UsageError("model: it is in training mode; call model.eval() first.")
    hooked = [name or "the model" for name, part in module.named_modules() if hooks(part)]
    if hooked:
        raise UsageError(f"model: {hooked[0]} has hooks, which no digest sees; remove them first.")
    precision = str(module.dtype).removeprefix("torch.")
    if precision not in DTYPES:
        raise UsageError(f"model: {precision} weights; one of {', '.join(DTYPES)} was expected.")
    decoder = adapt(traced(module, tokenizer))
    module.requires_grad_(False)
    validate(decoder)
    size = sum(tensor.numel() * tensor.element_size() for tensor in module.parameters())
    if size > SLOW:
        report(f"Digest of {size / 1e9:.0f} GB of weights, about a second for each")
    name = PurePath(module.config._name_or_path).name or type(module).__name__
    place = torch.cuda.get_device_name() if module.device.type == "cuda" else "cpu"
    source = ModelSource("memory", f"own-{name}", "")
    weights = f"sha256:{digest(module, tokenizer)}"
    return Model(source, decoder, precision, place, weights, fingerprint(module, tokenizer))


def digest(module: PreTrainedModel, tokenizer: Any) -> str:
    """SHA-256 over all that a number depends on: configuration, tokenizer, modules and tensors."""
    config = {name: of for name, of in module.config.to_dict().items() if name not in OF_PLACE}
    parts = {name: settings(part) for name, part in module.named_modules()}
    described = [config, module.generation_config.to_dict(), parts]
    found = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode())
    backend = getattr(tokenizer, "backend_tokenizer", None)
    words = backend.to_str() if backend else json.dumps(tokenizer.get_vocab(), sort_keys=True)
    found.update(words.encode())
    for name, tensor in module.state_dict().items():
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}\0".encode())
        found.update(tensor.contiguous().flatten().view(torch.uint8).cpu().numpy())
    return found.hexdigest()
