import pytest
import torch

from tests.helpers.method_prompts import dummies
from tests.helpers.reference import Prompts, task_vector
from tests.methods.conftest import Case
from tvsight.execution.here import run
from tvsight.interventions.learning import averaged_vectors, task_vectors
from tvsight.methods import METHODS
from tvsight.methods.method import extract


def test_it_is_the_mean_of_the_vectors_of_other_episodes(case: Case) -> None:
    tokens = case.prompts.dev
    found = run(case.model.decoder, extract, tokens, METHODS["averaged_vector"].load())
    own = [
        task_vector(case.reference, Prompts([], of_episode, [], []))
        for of_episode in dummies(tokens)
    ]
    for number, others in enumerate(tokens["others"]):
        expected = sum(own[other] for other in others) / len(others)
        torch.testing.assert_close(found[number], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_in_half_precision_it_is_summed_in_float32(dtype: torch.dtype) -> None:
    """A mean is rounded once, so it is right to half a step, however many vectors it is of."""
    vectors = torch.rand(200, 3, 40, generator=torch.Generator().manual_seed(0)).to(dtype)
    others = [list(range(1, 200)), list(range(0, 200, 2))]
    for found in (averaged_vectors(vectors, others), task_vectors([vectors[o] for o in others])):
        expected = torch.stack([vectors[of].float().mean(dim=0) for of in others])
        assert found.dtype == dtype
        torch.testing.assert_close(
            found.float(), expected, rtol=0.51 * torch.finfo(dtype).eps, atol=0
        )
