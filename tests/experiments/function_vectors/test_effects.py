import pytest
import torch

from tests.helpers.function_vector_case import Case
from tests.helpers.method_prompts import EPISODES, few_shot
from tests.helpers.reads import TOLERANCE
from tests.helpers.tiny_models import DEPTH, HEADS
from tvsight.errors import MeasurementError
from tvsight.execution.here import run
from tvsight.protocol.causal_effects import measure_effects


def test_effects_of_the_first_prompts_come_with_the_means(case: Case) -> None:
    dev = case.prompts.dev
    found = run(case.model.decoder, measure_effects, dev)
    states = torch.stack([case.reference.last_heads(prompt) for prompt in few_shot(dev)])
    means = states.mean(dim=0)
    torch.testing.assert_close(found["means"], means, atol=1e-4, rtol=1e-4)
    assert found["effect"].shape == (EPISODES, DEPTH, HEADS)
    prompt, token = dev["shuffled"][1], dev["expected"][1]
    before = case.reference.answer(prompt).log_probabilities[token]
    assert float(found["probability"][1]) == pytest.approx(float(before.exp()), abs=1e-5)
    after = case.reference.answer_with(prompt, [(2, 3)], means).log_probabilities[token]
    effect = float(found["effect"][1, 2, 3])
    assert effect == pytest.approx(float(after.exp() - before.exp()), abs=1e-6)
    assert float(found["log_effect"][1, 2, 3]) == pytest.approx(
        float(after - before), abs=TOLERANCE
    )


def test_effects_of_solved_episodes_leave_out_the_others(case: Case) -> None:
    dev = case.prompts.dev
    answers = [case.reference.answer(prompt).token for prompt in few_shot(dev)]
    accepted = [[answers[0]], [answers[1] + 1], [answers[2]], [answers[3] + 1]]
    asked = dev | {"accepted": accepted}
    found = run(case.model.decoder, measure_effects, asked, True, remote="local")
    assert found["episodes"] == [0, 2]
    states = [case.reference.last_heads(few_shot(dev)[episode]) for episode in (0, 2)]
    means = torch.stack(states).mean(dim=0)
    torch.testing.assert_close(found["means"], means, atol=1e-4, rtol=1e-4)
    prompt, token = dev["shuffled"][2], dev["expected"][2]
    before = case.reference.answer(prompt).log_probabilities[token].exp()
    assert float(found["probability"][1]) == pytest.approx(float(before), abs=1e-5)
    after = case.reference.answer_with(prompt, [(2, 3)], means).log_probabilities[token].exp()
    assert float(found["effect"][1, 2, 3]) == pytest.approx(float(after - before), abs=1e-6)

    with pytest.raises(MeasurementError, match="answers no dev query right"):
        run(case.model.decoder, measure_effects, dev | {"accepted": [[]] * EPISODES}, True)
