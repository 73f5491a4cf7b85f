"""Prompts of a task that a random model answers right at times, as methods are given them."""

from typing import NamedTuple

from torch import Tensor

from tests.helpers.half_accepted import half_accepted
from tests.helpers.reference import Answer
from tests.helpers.reference_heads import HeadsReference
from tvsight.config import RunConfig
from tvsight.models.loading import Model
from tvsight.prompts import Sampling, sample_episodes, template, usable_pairs
from tvsight.prompts.tokens import PromptTokens
from tvsight.protocol.rows import asked, method_tokens
from tvsight.run.planning import Plan

EPISODES = 4
EXAMPLE = template("example")


class Split(NamedTuple):
    """The prompts of dev and test."""

    dev: PromptTokens
    test: PromptTokens


def method_prompts(model: Model) -> Split:
    """`EPISODES` episodes a split, of three demonstrations and two dummy queries."""
    task = half_accepted()
    usable = usable_pairs(task, model.tokenizer, EXAMPLE, model.name)
    sampling = Sampling(shots=3, dummy_queries=2, per_split=EPISODES, seed=0)
    episodes = sample_episodes(task.name, usable, sampling)
    plan = Plan(RunConfig(), EXAMPLE, [task], {task.name: tuple(episodes)})
    of_split = asked(model, task, episodes, EXAMPLE)
    tokens = method_tokens(plan, task, model, episodes, of_split)
    return Split(tokens["dev"], tokens["test"])


def few_shot(tokens: PromptTokens) -> list[list[int]]:
    """The whole prompt of each query."""
    return [tokens["shared"][n] + query for n, query in enumerate(tokens["query"])]


def dummies(tokens: PromptTokens) -> list[list[list[int]]]:
    """The whole prompts of the dummy queries of each episode."""
    return [
        [tokens["shared"][n] + dummy for dummy in of_episode]
        for n, of_episode in enumerate(tokens["dummies"])
    ]


def with_added(reference: HeadsReference, prompt: list[int], layer: int, vector: Tensor) -> Answer:
    """The answer with a vector added after a block, one prompt at a time."""
    return reference.answer(prompt, layer, reference.residual_streams(prompt)[layer] + vector)
