"""The task vector θ of an episode: the state at `→` of its dummy prompts (Hendel et al. 2023)."""

from torch import Tensor

from tvsight.interventions.decoder import Decoder
from tvsight.interventions.learning import last_states, task_vectors
from tvsight.methods.method import Method
from tvsight.prompts.tokens import PromptTokens


def learn(decoder: Decoder, prompts: PromptTokens) -> Tensor:
    """The mean state over the dummy queries of each episode, `[episodes, depth, width]`."""
    return task_vectors(last_states(decoder, prompts["shared"], prompts["dummies"]))


METHOD = Method(learn)
