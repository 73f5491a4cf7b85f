from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.example_rows import task_rows
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.config import RunConfig
from tvsight.experiments.controls.request import controls
from tvsight.models.loading import load
from tvsight.models.sources import ModelSource
from tvsight.prompts import write_episodes
from tvsight.prompts.episodes import Episode
from tvsight.run.outcome import Outcome
from tvsight.run.planning import Plan, plan
from tvsight.storage.store import Store
from tvsight.storage.task_vectors import TaskVectors
from tvsight.tasks import packaged_tasks

SOURCE = ModelSource("directory", "a-model", "/nowhere/a-model")
LAYERS = {"to_upper": 2, "next_letter": 3, "list_first": 1}
NO_VECTORS = TaskVectors(Store("/nowhere"), {})
"""Of use until something is measured."""


def chosen(tasks: str = "to_upper,next_letter,list_first", **options: Any) -> Plan:
    return plan(RunConfig(tasks=tasks, **options))


def central(*tasks: str, model: str = "a-model") -> Outcome:
    rows = [task_rows(t, (1, 2, 3, 4), model=model, layers=(LAYERS[t], 5)) for t in tasks]
    return Outcome(rows, {}, {(model, task): Path(task) for task in tasks})


def identities(chosen: Plan, main: Outcome) -> dict[str, dict[str, Any]]:
    return {one.name: one.identity for one in controls(chosen, SOURCE, main, NO_VECTORS)}


def test_a_request_names_the_block_and_the_data_of_the_other_tasks() -> None:
    found = identities(chosen(), central(*LAYERS))
    assert list(found) == list(LAYERS)
    for task, identity in found.items():
        assert identity["layer"] == LAYERS[task]
        assert identity["sources"] == {
            other: packaged_tasks()[other].checksum for other in LAYERS if other != task
        }
        assert "source_episodes" not in identity


def test_the_order_of_tasks_changes_nothing() -> None:
    one = identities(chosen(), central(*LAYERS))
    other = identities(chosen("list_first,to_upper,next_letter"), central(*LAYERS))
    assert one == other


def test_tasks_without_a_central_comparison_are_neither_asked_nor_applied() -> None:
    found = identities(chosen(), central("to_upper", "list_first"))
    assert list(found) == ["to_upper", "list_first"]
    assert list(found["to_upper"]["sources"]) == ["list_first"]
    assert identities(chosen(), central("to_upper", model="b-model")) == {}


def test_replayed_episodes_of_other_tasks_count(tmp_path: Path) -> None:
    def replayed(query: str) -> dict[str, dict[str, Any]]:
        shown, file = ((" a", " A"), (" b", " B")), tmp_path / f"{query}.jsonl"
        episodes = [
            Episode(task, split, shown, q, (" Y",), (dummy,))
            for task, q in (("to_upper", "c"), ("next_letter", query))
            for split, dummy in (("dev", " d"), ("test", " g"))
        ]
        write_episodes(file, episodes)
        return identities(chosen("paper", episodes=str(file)), central("to_upper", "next_letter"))

    one, other = replayed("e"), replayed("f")
    assert one["to_upper"]["episodes"] == other["to_upper"]["episodes"]
    assert one["to_upper"] != other["to_upper"]
    assert one == replayed("e")


def test_a_plan_sends_as_much_as_a_run(tiny_checkpoint: Callable[[str], Path]) -> None:
    model = load(str(tiny_checkpoint("qwen2")), device="cpu")
    asked = controls(chosen(episodes_per_split=4, shots=2), SOURCE, Outcome(), None)
    assert [one.identity["layer"] for one in asked] == [None] * 3
    (job,) = next(asked[0].measure(model))
    dev, _, others, layer, _ = job.arguments
    assert others.shape == (2, DEPTH, WIDTH)
    assert others.dtype == torch.half
    assert dev["norms"].shape == (4, DEPTH)
    assert 0 <= layer < DEPTH


def test_stored_vectors_reach_the_job(
    tiny_checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(str(tiny_checkpoint("qwen2")), device="cpu")
    tasks = list(LAYERS)

    def mean(of: TaskVectors, model: str, task: str) -> torch.Tensor:
        return torch.full((DEPTH, WIDTH), float(tasks.index(task)))

    def norms(of: TaskVectors, model: str, task: str, split: str) -> torch.Tensor:
        return torch.full((4, DEPTH), {"dev": 5.0, "test": 6.0}[split])

    monkeypatch.setattr(TaskVectors, "mean", mean)
    monkeypatch.setattr(TaskVectors, "norms", norms)
    config = chosen(episodes_per_split=4, shots=2)
    request = controls(
        config, replace(SOURCE, name="qwen2"), central(*LAYERS, model="qwen2"), NO_VECTORS
    )
    (job,) = next(request[0].measure(model))
    dev, test, others, layer, shuffled = job.arguments
    # In the order of their names: list_first, next_letter.
    assert others[:, 0, 0].tolist() == [2, 1]
    assert (dev["norms"].unique().item(), test["norms"].unique().item()) == (5, 6)
    assert (layer, shuffled) == (LAYERS["to_upper"], True)
