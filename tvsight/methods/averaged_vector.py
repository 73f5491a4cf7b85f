"""The averaged vector: the mean θ of the episodes that do not contain the query."""

from torch import Tensor

from tvsight.interventions.decoder import Decoder
from tvsight.interventions.learning import averaged_vectors
from tvsight.methods import task_vector
from tvsight.methods.method import Method
from tvsight.prompts.tokens import PromptTokens


def learn(decoder: Decoder, prompts: PromptTokens, vectors: Tensor) -> Tensor:
    """The mean over other episodes, `[episodes, depth, width]`.

    Args:
        vectors: θ of each episode.
    """
    return averaged_vectors(vectors, prompts["others"])


METHOD = Method(learn, needs={"vectors": task_vector.METHOD})
