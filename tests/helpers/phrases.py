"""Episodes of made-up phrases for tiny models, and the token ids of their prompts."""

import random

from tests.helpers import reference
from tests.helpers.tiny_models import WORDS
from tvsight.models.loading import Model
from tvsight.prompts import Episode, PromptTokens, template, tokenise
from tvsight.prompts.episodes import Split

SHOTS, DUMMY_QUERIES, EPISODES = 3, 2, 6


def sample(split: Split) -> list[Episode]:
    """Episodes whose inputs are 1 to 4 words, of which query and dummy queries may share some.

    The last episode asks the first one's query after other demonstrations.
    """
    asked = [_inputs(random.Random(f"{split}/{index}"), index % 3) for index in range(EPISODES - 1)]
    asked.append(asked[0])
    episodes = []
    for index, (query, *dummies) in enumerate(asked):
        rng = random.Random(f"{split}/{index}/demonstrations")
        demonstrations = [(_phrase(rng, rng.randint(1, 4)), _phrase(rng, 1)) for _ in range(SHOTS)]
        accepted = (_phrase(rng, 1),)
        episodes.append(
            Episode("phrases", split, tuple(demonstrations), query, accepted, tuple(dummies))
        )
    return episodes


def token_ids(model: Model, split: Split) -> PromptTokens:
    """The prompts of a split. Half of the vocabulary counts as correct, drawn anew for each
    episode: a random model is right half of the time, so accuracy differs between layers."""
    tokens = tokenise(model, sample(split), "exact", template("example"))
    vocabulary = range(model.decoder.vocabulary)
    tokens["accepted"] = [
        random.Random(f"{split}/{index}/accepted").sample(vocabulary, len(vocabulary) // 2)
        for index in range(EPISODES)
    ]
    return tokens


def complete_prompts(tokens: PromptTokens) -> list[reference.Prompts]:
    """The same prompts, whole."""
    return [
        reference.Prompts(
            few_shot=tokens["shared"][index] + tokens["query"][index],
            dummies=[tokens["shared"][index] + dummy for dummy in tokens["dummies"][index]],
            zero_shot=tokens["zero_shot"][index],
            accepted=tokens["accepted"][index],
        )
        for index in range(EPISODES)
    ]


def _inputs(rng: random.Random, common: int) -> list[str]:
    """A query and dummy queries that begin with the same `common` words and then part."""
    words = rng.sample(WORDS, common + 1 + DUMMY_QUERIES)
    own = [[word, *rng.sample(WORDS, rng.randint(0, 1))] for word in words[common:]]
    return [" " + " ".join(words[:common] + of_input) for of_input in own]


def _phrase(rng: random.Random, words: int) -> str:
    return " " + " ".join(rng.sample(WORDS, words))
