"""The mean state: what few-shot prompts of a task have in common at their last token, added.

The baseline of Todd et al. (2024, section 2.2), who call it layer average.
"""

import torch
from torch import Tensor

from tvsight.interventions.decoder import Decoder
from tvsight.interventions.learning import last_states
from tvsight.methods.method import Method
from tvsight.prompts.tokens import PromptTokens


def learn(decoder: Decoder, prompts: PromptTokens) -> Tensor:
    """The mean over the prompts `S, x→` of all episodes, `[depth, width]`."""
    asked = [[query] for query in prompts["query"]]
    return torch.cat(last_states(decoder, prompts["shared"], asked)).mean(dim=0)


METHOD = Method(learn, of="task", use="add")
