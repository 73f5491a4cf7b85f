import torch

from tests.helpers.method_prompts import EPISODES, few_shot
from tests.methods.conftest import Case
from tvsight.execution.here import run
from tvsight.methods import METHODS
from tvsight.methods.method import extract


def test_it_is_the_mean_state_of_the_few_shot_prompts(case: Case) -> None:
    method = METHODS["mean_state"].load()
    assert (method.of, method.use) == ("task", "add")
    found = run(case.model.decoder, extract, case.prompts.dev, method)
    states = [case.reference.residual_streams(prompt) for prompt in few_shot(case.prompts.dev)]
    assert len(states) == len(found) == EPISODES
    expected = torch.stack(states).mean(dim=0)
    for vectors in found:
        torch.testing.assert_close(vectors, expected, atol=1e-4, rtol=1e-4)
