"""The interventions for one prompt at a time: for notebooks and for a first look.

Experiments over many episodes use `tvsight.interventions` directly, which batches them.
"""

from collections.abc import Sequence

from torch import Tensor

from tvsight import execution
from tvsight.interventions import (
    answers,
    apply_vectors,
    cache_prompts,
    last_states,
    task_vectors,
    unpatched_states,
)
from tvsight.models.decoder import Decoder
from tvsight.models.loading import Model
from tvsight.prompts import (
    Episode,
    Template,
    check_window,
    sample_episodes,
    template,
    usable_pairs,
)
from tvsight.tasks import Task


def episodes(
    model: Model, task: Task, count: int = 50, shots: int = 5, dummy_queries: int = 2, seed: int = 0
) -> list[Episode]:
    """Episodes of a task: `count` of the dev split, then as many of the test split.

    Raises:
        UsageError: when too few pairs of the task suit the model's tokenizer.
    """
    usable = usable_pairs(task, model.tokenizer, template("example"), model.name)
    return sample_episodes(task.name, usable, shots, dummy_queries, count, seed)


def extract(model: Model, episode: Episode, prompt: Template | None = None) -> Tensor:
    """The task vector θ(S) of an episode's demonstrations after every block, `[depth, width]`.

    The residual stream at the last token of `S, x'→`, mean over the dummy queries x'
    (section 2.1 of the paper).

    Raises:
        UsageError: when a prompt is longer than the model's context window.
    """
    prompt = prompt or template("example")
    few_shot = [prompt.few_shot(episode.demonstrations, given) for given in episode.dummy_queries]
    prompts = model.tokenizer(few_shot).input_ids
    check_window(model, prompts)
    return execution.run(model.decoder, _vectors, prompts)


def answer(
    model: Model,
    query: str,
    demonstrations: Sequence[tuple[str, str]] = (),
    patch: tuple[int, Tensor] | None = None,
    prompt: Template | None = None,
) -> str:
    """The greedy next token after a prompt, as text.

    Args:
        query: the input x, as it stands in the prompt (often with a leading space).
        demonstrations: S; none for the zero-shot prompt.
        patch: a block (0-based) and the vector `[width]` that replaces the residual stream after
            it at the prompt's last token.
        prompt: the template; the paper's unless given.

    Raises:
        UsageError: when the prompt is longer than the model's context window.
    """
    text = (prompt or template("example")).few_shot(tuple(demonstrations), query)
    tokens = model.tokenizer(text).input_ids
    check_window(model, [tokens])
    token = execution.run(model.decoder, _answer, tokens, patch)
    return str(model.tokenizer.decode([token]))


def _vectors(decoder: Decoder, prompts: list[list[int]]) -> Tensor:
    return task_vectors(last_states(decoder, [[]], [prompts]))[0]


def _answer(decoder: Decoder, tokens: list[int], patch: tuple[int, Tensor] | None) -> int:
    cached = cache_prompts(decoder, [tokens])
    if patch is None:
        states = unpatched_states(decoder, cached)[:, -1]
    else:
        layer, vector = patch
        vectors = vector[None].to(decoder.device, decoder.dtype)
        states = apply_vectors(decoder, cached, [0], [layer], vectors)
    return int(answers(decoder, states, [0])["token"])
