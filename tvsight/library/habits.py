"""Names of nnterp, TransformerLens and SAELens, and what tvsight has in their place."""

from collections.abc import Callable, Iterable
from typing import NoReturn

from tvsight.errors import nearest

STATES = "model.decoder.nn.trace(text), or tvsight.lens(model, text)"
INSTEAD = {
    "tvsight": {
        **dict.fromkeys(
            ("load_model", "from_pretrained", "HookedTransformer"), "tvsight.load(name)"
        ),
        "StandardizedTransformer": "tvsight.load(name)",
        "logit_lens": "tvsight.lens(model, text)",
        "patchscope_lens": "tvsight.lens(model, text, patch=(2, theta.values[2]))",
        "get_task_vector": "tvsight.task_vector(model, task)",
        "load_vector": "tvsight.read_vector(model, file)",
        "evaluate": "tvsight.measure(model, task)",
        "steer": "theta.steering(alpha=0.5)",
        "SAE": "tvsight.Vector(model, 'own', direction, layer=2)",
    },
    "model": {
        **dict.fromkeys(("run_with_cache", "layers_output"), STATES),
        **dict.fromkeys(
            ("run_with_hooks", "forward"), "model.logits(text, patch=(2, theta.values[2]))"
        ),
        "next_token_probs": "model.logits(text).softmax(dim=-1)",
        "attention_probabilities": "tvsight.attention(model, text)",
        "trace": "model.decoder.nn.trace(text)",
        "to_tokens": "model.tokens([text])",
        **dict.fromkeys(("to_string", "to_str_tokens"), "model.tokenizer.decode(ids)"),
        **dict.fromkeys(("cfg", "config"), "model.decoder.nn.config"),
        **dict.fromkeys(("layers", "blocks"), "model.decoder.blocks"),
        **dict.fromkeys(("n_layers", "num_layers"), "model.decoder.depth"),
        **dict.fromkeys(("d_model", "hidden_size"), "model.decoder.width"),
        **dict.fromkeys(("project_on_vocab", "unembed"), "tvsight.lens(model, text)"),
        "steer": "theta.steering(alpha=0.5)",
        **dict.fromkeys(("to", "cuda"), "tvsight.load(name, device='cuda')"),
    },
    "theta": {
        **dict.fromkeys(("vector", "direction"), "theta.values[theta.layer]"),
        "steer": "theta.steering(alpha=0.5)",
        "accuracy": "theta.report",
        "export_gguf": "theta.save_gguf(path)",
    },
}
"""By what people ask, and the name that they ask for."""


def hinted(owner: str) -> Callable[[object, str], NoReturn]:
    """A `__getattr__` that says what to use for a name that an object lacks, see `missing`."""

    def refuse(self: object, name: str) -> NoReturn:
        raise missing(owner, name, dir(self))

    return refuse


def missing(owner: str, name: str, known: Iterable[str]) -> AttributeError:
    """The error for an attribute that is not there, with the call that does what it stands for.

    Args:
        owner: a key of `INSTEAD`.
        known: the attributes that are there.
    """
    told = f"{owner} has no attribute {name!r}."
    if name in INSTEAD[owner]:
        return AttributeError(f"{told} Use {INSTEAD[owner][name]}.")
    return AttributeError(told + ("" if name.startswith("_") else nearest(name, known)))
