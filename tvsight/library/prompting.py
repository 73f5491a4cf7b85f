"""Interventions on one prompt at a time, for notebooks and for a first look.

Experiments over many episodes use `tvsight.interventions`, which batches them. Several threads may
use one model; they take turns.
"""

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from tvsight.config import LEAST
from tvsight.errors import in_python, unexpected
from tvsight.interventions.decoder import one_at_a_time
from tvsight.library import measure
from tvsight.library.arguments import (
    Patched,
    Text,
    as_patch,
    as_query,
    as_task,
    as_template,
    as_text,
    each,
    pairs,
    whole,
)
from tvsight.library.model import LoadedModel, check_model
from tvsight.prompts import Episode, Sampling, Template, sample_episodes, usable_pairs


@in_python()
@one_at_a_time
def episodes(
    model: LoadedModel,
    task: Any,
    count: int = 50,
    shots: int = 5,
    dummy_queries: int = 2,
    seed: int = 0,
) -> list[Episode]:
    """Sample episodes of a task: `count` of the dev split, then `count` of the test split.

    Args:
        task: a task, the name of a packaged one, or pairs, as `tvsight.Task.of` takes them.

    Raises:
        UsageError: for an argument of the wrong kind, a count below 1, or when too few pairs of the
            task suit the model's tokenizer.
    """
    check_model(model)
    task = as_task(task)
    per_split = whole("count", count, LEAST["episodes_per_split"])
    shots = whole("shots", shots, LEAST["shots"])
    dummy_queries = whole("dummy_queries", dummy_queries, LEAST["dummy_queries"])
    seed = whole("seed", seed)
    usable = usable_pairs(task, model.tokenizer, as_template(None), model.name)
    sampling = Sampling(shots=shots, dummy_queries=dummy_queries, per_split=per_split, seed=seed)
    return sample_episodes(task.name, usable, sampling)


@in_python()
@one_at_a_time
def extract(model: LoadedModel, episode: Episode, prompt: Template | str | None = None) -> Tensor:
    """The task vector θ(S) of an episode's demonstrations after every block, `[depth, width]`.

    It is the residual stream at the last token of `S, x'→`, averaged over the dummy queries x'
    (section 2.1 of the paper).

    Args:
        prompt: a template, or the name or text of one; by default the paper's.

    Raises:
        UsageError: for an argument of the wrong kind, an episode without dummy queries, or a prompt
            longer than the model's context window.
    """
    check_model(model)
    if not isinstance(episode, Episode):
        raise unexpected("episode", "one of what tvsight.episodes returns", episode)
    template = as_template(prompt)
    shown = pairs(episode.demonstrations)
    dummies = episode.dummy_queries
    if not isinstance(dummies, tuple | list) or not dummies:
        raise unexpected("dummy_queries", "at least one text", dummies)
    few_shot = [template.few_shot(shown, as_text("dummy query", dummy)) for dummy in dummies]
    return model.run(measure.vectors, {"prompts": model.tokens(few_shot)})


@in_python()
@one_at_a_time
def answer(
    model: LoadedModel,
    query: Text,
    demonstrations: Iterable[tuple[str, str]] = (),
    patch: Patched = None,
    prompt: Template | str | None = None,
) -> Text:
    """The greedy next token after a prompt, as text; of a list of queries, that of each.

    Args:
        query: the input x as it stands in the prompt, often with a leading space. It has a word.
        demonstrations: S; none for the zero-shot prompt.
        patch: a block (0 to depth - 1) and the vector `[width]` that replaces the residual stream
            after it, at the last token of the prompt; or a `Vector` that is written over.
        prompt: a template, or the name or text of one; by default the paper's.

    Raises:
        UsageError: for an argument of the wrong kind, a block that the model does not have, a
            vector that has another width or is not finite, or a prompt longer than the model's
            context window.
    """
    check_model(model)
    shown = pairs(demonstrations)
    template = as_template(prompt)
    block_and_vector = None if patch is None else as_patch(model, patch)

    def answers(queries: list[str]) -> list[str]:
        asked = [template.few_shot(shown, as_query(text)) for text in queries]
        prompts = {"prompts": model.tokens(asked)}
        found = model.run(measure.answers, prompts, block_and_vector)
        return [str(model.tokenizer.decode(tokens)) for tokens in found]

    return each("query", query, answers)
