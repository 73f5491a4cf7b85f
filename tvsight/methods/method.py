"""A method: how a vector is extracted, and how it is applied."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from tvsight.errors import MeasurementError
from tvsight.interventions.attention import Head
from tvsight.interventions.decoder import Decoder
from tvsight.prompts.tokens import PromptTokens

Use = Literal["overwrite", "add"]


@dataclass(frozen=True)
class Method:
    """One way to make a vector."""

    learn: Callable[..., Tensor | tuple[Tensor, list[Head]]]
    """`learn(decoder, prompts)`, where `prompts` is a `PromptTokens` of one split: a
    vector after every block, `[episodes, depth, width]`, or `[depth, width]` for a method of a
    task; with it, the attention heads that it sums, if it sums any. What another method has
    extracted comes as a further argument, see `needs`. It travels to servers: torch, nnsight and
    plain Python only."""
    of: Literal["episode", "task"] = "episode"
    """An episode has a vector of its own, extracted from its own demonstrations; a task has one,
    extracted from its dev episodes."""
    use: Use = "overwrite"
    """The vector takes the place of the residual stream at the last token, or is added to it."""
    needs: Mapping[str, "Method"] = field(default_factory=dict)
    """Methods that come before it, by the names of the arguments that bring their vectors."""


def extract(
    decoder: Decoder, prompts: PromptTokens, method: Method, settings: Mapping[str, Any] = {}
) -> Tensor:
    """The vectors of a method, see `with_heads`."""
    return with_heads(decoder, prompts, method, settings)[0]


def with_heads(
    decoder: Decoder, prompts: PromptTokens, method: Method, settings: Mapping[str, Any] = {}
) -> tuple[Tensor, list[Head]]:
    """The vectors of a method, `[episodes, depth, width]`, and the heads that they sum. The vector
    of a task is the same for every episode.

    Args:
        settings: named arguments of its function.

    Raises:
        MeasurementError: when it returns another shape, or calls `exit`.
    """
    needed = {name: extract(decoder, prompts, other) for name, other in method.needs.items()}
    try:
        made = method.learn(decoder, prompts, **needed, **settings)
    except SystemExit as end:
        raise MeasurementError(f"A method ended the program, exit({end.code!r}).") from end
    vectors, heads = made if isinstance(made, tuple) and len(made) == 2 else (made, list[Head]())
    episodes = len(prompts["shared"])
    shape = [decoder.depth, decoder.width]
    if method.of == "episode":
        shape = [episodes, *shape]
    found = list(vectors.shape) if isinstance(vectors, Tensor) else type(vectors).__name__
    if found != shape:
        raise MeasurementError(
            f"A method returned {found}; vectors {shape} of each {method.of} were expected."
        )
    return vectors if method.of == "episode" else vectors.expand(episodes, -1, -1), heads


def extract_both(
    decoder: Decoder,
    dev: PromptTokens,
    test: PromptTokens,
    method: Method,
    settings: Mapping[str, Any] = {},
) -> tuple[Tensor, Tensor]:
    """The vectors of a method for dev and test, each `[episodes, depth, width]`. That of a task is
    extracted on dev."""
    on_dev = extract(decoder, dev, method, settings)
    if method.of == "task":
        return on_dev, on_dev[:1].expand(len(test["shared"]), -1, -1)
    return on_dev, extract(decoder, test, method, settings)
