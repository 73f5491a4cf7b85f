import torch

from tests.helpers.method_prompts import dummies
from tests.helpers.reference import Prompts, task_vector
from tests.methods.conftest import Case
from tvsight.execution.here import run
from tvsight.methods import METHODS
from tvsight.methods.method import extract


def test_it_is_the_mean_state_of_the_dummy_prompts(case: Case) -> None:
    found = run(case.model.decoder, extract, case.prompts.dev, METHODS["task_vector"].load())
    expected = [
        task_vector(case.reference, Prompts([], of_episode, [], []))
        for of_episode in dummies(case.prompts.dev)
    ]
    torch.testing.assert_close(found, torch.stack(expected), atol=1e-4, rtol=1e-4)
