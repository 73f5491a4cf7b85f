"""Methods by a name, a file or a function, and the heads of a function vector."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import tvsight
from tests.helpers.example_method import write_example
from tests.helpers.method_prompts import few_shot, method_prompts
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.errors import UsageError
from tvsight.execution.here import run
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.heads import contributions
from tvsight.interventions.learning import last_states
from tvsight.library.model import LoadedModel
from tvsight.library.vector import Vector
from tvsight.methods import METHODS
from tvsight.methods.files import own_method
from tvsight.methods.function_vector import mean_heads
from tvsight.methods.method import Method, with_heads
from tvsight.prompts.tokens import PromptTokens

SMALL: dict[str, Any] = {"episodes": 4, "shots": 3}
FACTOR = 2.0


NEEDED = (METHODS["task_vector"].load(), METHODS["mean_state"].load())


def halved(states: Tensor) -> Tensor:
    return states / FACTOR


def half_mean(decoder: Decoder, prompts: PromptTokens) -> Tensor:
    """Half of the task vector."""
    read = last_states(decoder, prompts["shared"], prompts["dummies"])
    return torch.stack([halved(states.mean(dim=0)) for states in read])


@pytest.mark.parametrize("place", ["here", "simulated"])
def test_a_function_and_a_file_are_methods(
    model: LoadedModel, simulated: LoadedModel, place: str, tmp_path: Path
) -> None:
    asked = model if place == "here" else simulated
    plain = tvsight.task_vector(asked, "to_upper", **SMALL)
    own = tvsight.task_vector(asked, "to_upper", method=half_mean, **SMALL)
    torch.testing.assert_close(own.values, plain.values / FACTOR)
    assert (own.kind, own.adds, own.heads) == ("half_mean", False, ())
    added = tvsight.task_vector(asked, "to_upper", method=Method(half_mean, use="add"), **SMALL)
    assert added.adds
    file = write_example(tmp_path)
    for path in (file, str(file)):
        assert tvsight.task_vector(asked, "to_upper", method=path, **SMALL).kind == "median_state"


def test_a_function_and_a_file_are_measured_and_stored(model: LoadedModel, tmp_path: Path) -> None:
    sizes = {"episodes_per_split": 4, "shots": 3, "results": tmp_path / "results"}
    measured = partial(tvsight.measure, model, "to_upper", **sizes)
    several = measured(methods=["mean_state", half_mean, write_example(tmp_path)])
    own = {"mean_state", "half_mean", "median_state"}
    assert own < {*several["procedure"]}
    one = measured(methods=half_mean)
    assert {*one["procedure"]} == {*several["procedure"]} - (own - {"half_mean"})
    kept = several[several["procedure"] == "half_mean"]["predicted"].tolist()
    assert one[one["procedure"] == "half_mean"]["predicted"].tolist() == kept


def test_the_identity_of_a_function_is_its_source_and_what_it_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = own_method(half_mean)
    assert before == own_method(half_mean)
    assert own_method(Method(half_mean, use="add")).identity != before.identity
    with monkeypatch.context() as changed:
        changed.setitem(globals(), "FACTOR", [3.0, {"a": 2}])
        assert own_method(half_mean).identity != before.identity
    with monkeypatch.context() as changed:
        changed.setattr(halved, "__defaults__", (1,))
        assert own_method(half_mean).identity != before.identity
    needs = [own_method(Method(half_mean, needs={"vectors": of})) for of in NEEDED]
    assert len({one.source for one in [before, *needs]}) == 1 + len(NEEDED)
    monkeypatch.setitem(globals(), "FACTOR", torch.tensor(3.0))
    with pytest.raises(UsageError, match=r"^method: .* plain values; FACTOR is none"):
        own_method(half_mean)


def refused() -> dict[str, Any]:
    def inner(decoder: Decoder, prompts: PromptTokens) -> Tensor:
        return half_mean(decoder, prompts) * factor

    def task_vector(decoder: Decoder, prompts: PromptTokens) -> Tensor:
        return half_mean(decoder, prompts)

    factor = 2.0
    return {
        "^method: expected a function .* of no other function": inner,
        "^method: expected a function .* with a name": lambda decoder, prompts: prompts,
        "^method: tvsight has a method 'task_vector' already": task_vector,
        "^method: expected UTF-8 text": 3,
        r"^method_file=absent\.py: No such file": "absent.py",
    }


@pytest.mark.parametrize("told", refused())
def test_what_is_no_method_is_refused(model: LoadedModel, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        tvsight.task_vector(model, "to_upper", method=refused()[told], **SMALL)


@pytest.fixture(scope="module")
def summed(model: LoadedModel) -> Vector:
    return tvsight.task_vector(model, "to_upper", method="function_vector", **SMALL)


def test_a_function_vector_names_the_heads_that_it_sums(
    model: LoadedModel, simulated: LoadedModel, summed: Vector, tmp_path: Path
) -> None:
    assert len(summed.heads) == len({*summed.heads}) == 10
    there = tvsight.task_vector(simulated, "to_upper", method="function_vector", **SMALL)
    assert there.heads == summed.heads
    prompts, entry = method_prompts(model), METHODS["function_vector"]
    for heads in (3, 10):
        how = (prompts.dev, entry.load(), {"heads": heads})
        vectors, chosen = run(model.decoder, with_heads, *how)
        means = run(model.decoder, mean_heads, few_shot(prompts.dev))
        written = run(model.decoder, contributions, means, True)
        expected = sum(written[block, head] for block, head in chosen)
        torch.testing.assert_close(vectors[0, 0], expected, atol=1e-4, rtol=1e-4)
    summed.save(tmp_path / "theta")
    assert tvsight.read_vector(model, tmp_path / "theta").heads == summed.heads
    assert (2 * summed).heads == summed.heads
    assert (summed + summed).heads == ()
    with pytest.raises(UsageError, match=r"^head: expected a block"):
        replace(summed, heads=[(DEPTH, 0)])


def test_one_block_alone_is_a_vector(model: LoadedModel, theta: Vector) -> None:
    one = Vector(model, "to_upper", theta.values[2], layer=2)
    assert one.values.shape == (DEPTH, WIDTH)
    assert one.apply("hot") == theta.apply("hot")
    assert one.apply("hot", layer=0) == tvsight.answer(
        model, " hot", patch=(0, theta.values[2].numpy())
    )
