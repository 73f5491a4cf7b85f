from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmarks.arithmetic import work_of_heads
from benchmarks.heads import their_way
from benchmarks.models import method_prompts
from tests.helpers.tiny_models import DEPTH, HEADS
from tvsight.execution import here
from tvsight.models.loading import Model, load
from tvsight.protocol.causal_effects import measure_effects
from tvsight.tasks import packaged_tasks

SHOTS = 3


@pytest.fixture(scope="module", params=["llama", "gemma3"])
def model(request: pytest.FixtureRequest, tiny_checkpoint: Callable[[str], Path]) -> Model:
    return load(str(tiny_checkpoint(request.param)), device="cpu")


def test_the_authors_way_finds_the_same_effects(model: Model) -> None:
    prompts = method_prompts(model, packaged_tasks()["to_upper"], SHOTS)
    found = here.run(model.decoder, measure_effects, prompts)
    theirs = their_way(model.decoder, prompts, found["means"], 2)
    torch.testing.assert_close(theirs, found["effect"][:2], atol=1e-5, rtol=0)


def test_the_work_grows_with_prompts_and_heads(model: Model) -> None:
    prompts = method_prompts(model, packaged_tasks()["to_upper"], SHOTS)
    one, two = (work_of_heads(model.decoder, prompts, count) for count in (1, 2))
    logits = 2 * (1 + DEPTH * HEADS) * model.decoder.vocabulary * model.decoder.width
    assert two.answers - one.answers == logits
    assert two.blocks > one.blocks > 0
