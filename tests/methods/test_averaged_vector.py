import torch

from tests.helpers.method_prompts import dummies
from tests.helpers.reference import Prompts, task_vector
from tests.methods.conftest import Case
from tvsight.execution import run
from tvsight.methods import METHODS
from tvsight.methods.method import learn


def test_it_is_the_mean_of_the_vectors_of_other_episodes(case: Case) -> None:
    tokens = case.prompts.dev
    found = run(case.model.decoder, learn, tokens, METHODS["averaged_vector"].load())
    own = [
        task_vector(case.reference, Prompts([], of_episode, [], []))
        for of_episode in dummies(tokens)
    ]
    for number, others in enumerate(tokens["others"]):
        expected = sum(own[other] for other in others) / len(others)
        torch.testing.assert_close(found[number], expected, atol=1e-4, rtol=1e-4)
