"""Vectors for EasySteer, by its own classes where they are installed, else by stand-ins with the
fields that docs/user-guide/steering.md of its repository documents."""

import importlib.util
import sys
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import pytest
import torch

from tvsight.errors import UsageError
from tvsight.library.vector import Vector

HAS_CLASSES = importlib.util.find_spec("vllm") is not None


@dataclass
class ApplySpec:
    prompt_positions: list[int]
    prompt: str | None = None
    generation: str | None = None


@dataclass
class DirectionVector:
    layers: dict[int, Any]


@dataclass
class VectorSpec:
    apply: ApplySpec
    data: DirectionVector
    algorithm: str = "direct"
    scale: float = 1.0
    layers: list[int] | None = None
    normalize: bool = False


@dataclass
class SteeringSpec:
    vectors: list[VectorSpec]
    conflict: str = "priority"


@pytest.fixture
def _classes(monkeypatch: pytest.MonkeyPatch) -> None:
    if not HAS_CLASSES:
        module = ModuleType("vllm.steer_vectors")
        for of in (ApplySpec, DirectionVector, VectorSpec, SteeringSpec):
            setattr(module, of.__name__, of)
        monkeypatch.setitem(sys.modules, "vllm", ModuleType("vllm"))
        monkeypatch.setitem(sys.modules, "vllm.steer_vectors", module)


@pytest.mark.usefixtures("_classes")
@pytest.mark.parametrize(
    ("adds", "layer", "algorithm"), [(False, None, "replace"), (True, 3, "direct")]
)
def test_it_is_applied_once_at_the_last_token_of_the_prompt(
    theta: Vector, adds: bool, layer: int | None, algorithm: str
) -> None:
    spec = replace(theta, adds=adds).easysteer(layer)
    (vector,) = spec.vectors
    assert (vector.algorithm, vector.scale, vector.normalize) == (algorithm, 1.0, False)
    where = vector.apply
    assert (where.prompt_positions, where.prompt, where.generation) == ([-1], None, None)
    block = theta.layer if layer is None else layer
    if not HAS_CLASSES:
        assert [*vector.data.layers] == [block]
        assert torch.equal(vector.data.layers[block], theta.values[block])
    with pytest.raises(UsageError, match=r"^layer: expected the number of a block"):
        theta.easysteer(99)


@pytest.mark.skipif(HAS_CLASSES, reason="needs an environment without vLLM")
def test_without_it_its_address_is_named(theta: Vector) -> None:
    with pytest.raises(UsageError, match=r"not installed: see github.com/ZJU-REAL/EasySteer$"):
        theta.easysteer()
