"""Vectors of a task: learnt, chosen and tested by the protocol of the central comparison."""

from pathlib import Path
from typing import Any

import pytest
import torch

import tvsight
from tvsight.errors import UsageError
from tvsight.library.model import LoadedModel
from tvsight.library.vector import Vector

SMALL: dict[str, Any] = {"episodes": 6, "shots": 3}


@pytest.fixture(scope="module")
def learnt(model: LoadedModel) -> Vector:
    return tvsight.task_vector(model, "to_upper", **SMALL)


def test_it_is_the_mean_over_the_dev_episodes(model: LoadedModel, learnt: Vector) -> None:
    dev = tvsight.episodes(model, "to_upper", count=6, shots=3)[:6]
    mean = torch.stack([tvsight.extract(model, episode) for episode in dev]).mean(dim=0)
    torch.testing.assert_close(learnt.values, mean, rtol=0, atol=1e-5)


def test_its_report_is_that_of_its_own_answers(model: LoadedModel, learnt: Vector) -> None:
    episodes = tvsight.episodes(model, "to_upper", count=6, shots=3)
    report = learnt.report
    assert report is not None

    def share(split: str, answers: Any) -> float:
        asked = [episode for episode in episodes if episode.split == split]
        return sum(answers(episode) in episode.accepted for episode in asked) / len(asked)

    for layer, dev in enumerate(report.dev):
        patch = (layer, learnt.values[layer])
        assert dev == share("dev", lambda e, p=patch: tvsight.answer(model, e.query, patch=p))
    assert learnt.layer == report.layer == report.dev.index(max(report.dev))
    patch = (learnt.layer, learnt.values[learnt.layer])
    wanted = {
        "baseline": share("test", lambda e: tvsight.answer(model, e.query)),
        "icl": share("test", lambda e: tvsight.answer(model, e.query, e.demonstrations)),
        "vector": share("test", lambda e: tvsight.answer(model, e.query, patch=patch)),
    }
    assert report.table.set_index("procedure")["accuracy"].to_dict() == wanted
    assert set(report.table["n"]) == {report.episodes} == {6}


@pytest.mark.parametrize("method", ["task_vector", "mean_state"])
def test_a_simulated_server_learns_the_same(
    model: LoadedModel, simulated: LoadedModel, method: str
) -> None:
    here, there = (
        tvsight.task_vector(one, "to_upper", method=method, **SMALL) for one in (model, simulated)
    )
    torch.testing.assert_close(there.values, here.values)
    assert (there.layer, there.report, there.adds) == (here.layer, here.report, here.adds)
    assert here.adds == (method == "mean_state")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"task": "to_uper"}, "Unknown task 'to_uper'.*'to_upper'"),
        ({"task": 3}, "^task: expected a task"),
        ({"method": "task_vectr"}, "^method: unknown method 'task_vectr'.*'task_vector'"),
        ({"method": None}, "^method: expected UTF-8 text"),
        ({"episodes": 0}, "^episodes: expected a whole number of at least 1"),
        ({"shots": True}, "^shots: expected a whole number"),
        ({"seed": "0"}, "^seed: expected a whole number"),
        ({"prompt": "arow"}, "^Unknown template 'arow'"),
    ],
)
def test_what_cannot_be_learnt_is_refused(
    model: LoadedModel, arguments: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError, match=told) as refused:
        tvsight.task_vector(model, **{"task": "to_upper", **SMALL} | arguments)
    assert "\n" not in str(refused.value)


def test_a_vector_returns_from_its_file(learnt: Vector, tmp_path: Path) -> None:
    learnt.save(tmp_path / "theta.safetensors")
    read = tvsight.read_vector(learnt.model, tmp_path / "theta.safetensors")
    assert torch.equal(read.values, learnt.values)
    assert (read.report, repr(read)) == (learnt.report, repr(learnt))
    assert read.apply("a") == learnt.apply("a")
