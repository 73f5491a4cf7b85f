"""Interventions on one prompt at a time, for notebooks and for a first look.

Experiments over many episodes use `tvsight.interventions`, which batches them. Several threads may
use one model; they take turns.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tvsight import execution, tasks
from tvsight.config import LEAST
from tvsight.errors import UsageError, integer, unexpected
from tvsight.interventions.answers import answers
from tvsight.interventions.application import apply_vectors, cache_prompts, unpatched_states
from tvsight.interventions.decoder import Decoder, one_at_a_time
from tvsight.interventions.learning import last_states, task_vectors
from tvsight.models.loading import Model
from tvsight.prompts import (
    Episode,
    Sampling,
    Template,
    check_window,
    sample_episodes,
    templates,
    usable_pairs,
)
from tvsight.tasks import Task
from tvsight.tasks.words import is_encodable

Vector = Tensor | np.ndarray[Any, Any]


@one_at_a_time
def episodes(
    model: Model,
    task: Task | str,
    count: int = 50,
    shots: int = 5,
    dummy_queries: int = 2,
    seed: int = 0,
) -> list[Episode]:
    """Sample episodes of a task: `count` of the dev split, then `count` of the test split.

    Args:
        task: a task, or the name of a packaged one.

    Raises:
        UsageError: for an argument of the wrong kind, a count below 1, or when too few pairs of the
            task suit the model's tokenizer.
    """
    _check_model(model)
    if isinstance(task, str):
        task = tasks.task(task)
    if not isinstance(task, Task):
        raise unexpected("task", "a task or the name of one", task)
    per_split = _whole("count", count, LEAST["episodes_per_split"])
    shots = _whole("shots", shots, LEAST["shots"])
    dummy_queries = _whole("dummy_queries", dummy_queries, LEAST["dummy_queries"])
    seed = _whole("seed", seed)
    usable = usable_pairs(task, model.tokenizer, _template(None), model.name)
    sampling = Sampling(shots=shots, dummy_queries=dummy_queries, per_split=per_split, seed=seed)
    return sample_episodes(task.name, usable, sampling)


@one_at_a_time
def extract(model: Model, episode: Episode, prompt: Template | str | None = None) -> Tensor:
    """The task vector θ(S) of an episode's demonstrations after every block, `[depth, width]`.

    It is the residual stream at the last token of `S, x'→`, averaged over the dummy queries x'
    (section 2.1 of the paper).

    Args:
        prompt: a template, or the name or text of one; by default the paper's.

    Raises:
        UsageError: for an argument of the wrong kind, an episode without dummy queries, or a prompt
            longer than the model's context window.
    """
    _check_model(model)
    if not isinstance(episode, Episode):
        raise unexpected("episode", "one of what tvsight.episodes returns", episode)
    template = _template(prompt)
    shown = _demonstrations(episode.demonstrations)
    dummies = episode.dummy_queries
    if not isinstance(dummies, tuple | list) or not dummies:
        raise unexpected("dummy_queries", "at least one text", dummies)
    few_shot = [template.few_shot(shown, _text("dummy query", dummy)) for dummy in dummies]
    prompts = model.tokenizer(few_shot).input_ids
    check_window(model, prompts)
    return execution.run(model.decoder, _vectors, prompts)


@one_at_a_time
def answer(
    model: Model,
    query: str,
    demonstrations: Iterable[tuple[str, str]] = (),
    patch: tuple[int, Vector] | None = None,
    prompt: Template | str | None = None,
) -> str:
    """The greedy next token after a prompt, as text.

    Args:
        query: the input x as it stands in the prompt, often with a leading space.
        demonstrations: S; none for the zero-shot prompt.
        patch: a block (0 to depth - 1) and the vector `[width]` that replaces the residual stream
            after it, at the last token of the prompt.
        prompt: a template, or the name or text of one; by default the paper's.

    Raises:
        UsageError: for an argument of the wrong kind, a block that the model does not have, a
            vector that has another width or is not finite, or a prompt longer than the model's
            context window.
    """
    _check_model(model)
    shown = _demonstrations(demonstrations)
    text = _template(prompt).few_shot(shown, _text("query", query))
    block_and_vector = None if patch is None else _patch(model.decoder, patch)
    tokens = model.tokenizer(text).input_ids
    check_window(model, [tokens])
    token = execution.run(model.decoder, _answer, tokens, block_and_vector)
    return str(model.tokenizer.decode([token]))


def _vectors(decoder: Decoder, prompts: list[list[int]]) -> Tensor:
    return task_vectors(last_states(decoder, [[]], [prompts]))[0]


def _answer(decoder: Decoder, tokens: list[int], patch: tuple[int, Tensor] | None) -> int:
    cached = cache_prompts(decoder, [tokens])
    if patch is None:
        states = unpatched_states(decoder, cached)[:, -1]
    else:
        layer, vector = patch
        states = apply_vectors(decoder, cached, [0], [layer], vector[None])
    return int(answers(decoder, states, [0])["token"])


def _check_model(model: object) -> None:
    if not isinstance(model, Model):
        raise unexpected("model", "what tvsight.load returns", model)


def _template(prompt: Template | str | None) -> Template:
    if prompt is None or isinstance(prompt, str):
        return templates.template("example" if prompt is None else prompt)
    if not isinstance(prompt, Template):
        raise unexpected("prompt", "a template or the name of one", prompt)
    return prompt


def _whole(name: str, value: object, least: float | None = None) -> int:
    number = integer(value)
    if number is None or (least is not None and number < least):
        limit = "" if least is None else f" of at least {least}"
        raise unexpected(name, f"a whole number{limit}", value)
    return number


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not is_encodable(value):
        raise unexpected(name, "UTF-8 text", value)
    return value


def _demonstrations(shown: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    expected = "pairs of an input and an answer"
    if isinstance(shown, str) or not isinstance(shown, Iterable):
        raise unexpected("demonstrations", expected, shown)
    pairs = []
    for pair in shown:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise unexpected("demonstrations", expected, pair)
        pairs.append((_text("demonstration", pair[0]), _text("demonstration", pair[1])))
    return tuple(pairs)


def _patch(decoder: Decoder, patch: tuple[int, Vector]) -> tuple[int, Tensor]:
    """A block, and a vector in the device and precision of the model."""
    if not isinstance(patch, tuple | list) or len(patch) != 2:
        raise unexpected("patch", "a block and a vector", patch)
    (layer,), vector = decoder.block_numbers(patch[:1]), patch[1]
    if isinstance(vector, np.ndarray) and vector.dtype.kind == "f" and not np.ma.is_masked(vector):
        vector = torch.from_numpy(np.array(vector, dtype=np.float64, order="C"))
    if (
        not isinstance(vector, Tensor)
        or not vector.is_floating_point()
        or list(vector.shape) != [decoder.width]
        or vector.layout != torch.strided
        or vector.is_meta
    ):
        expected = f"a dense vector of {decoder.width} floating-point numbers"
        raise unexpected("patch", expected, vector)
    held = vector.detach().to(decoder.device, decoder.dtype)
    if not held.isfinite().all():
        raise UsageError(f"patch: the vector holds NaN or infinity in {held.dtype}.")
    return layer, held
