"""The library of a notebook on a server, and through the serialisation for one: the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.commands import ran
from tests.helpers.example_method import write_example
from tests.ndif.server import NdifServer
from tests.ndif.settings import TINY

LIMIT_S = 200
NOTEBOOK = """
import json, sys, tvsight
model = tvsight.load(sys.argv[1], dtype="float32", remote=json.loads(sys.argv[2]))
theta = tvsight.task_vector(model, "to_upper", episodes=4, shots=3)
with theta.steering(alpha=2):
    steered = model.generate("the a b", tokens=4)
episode = tvsight.episodes(model, "to_upper", count=2, shots=3)[0]
found = {
    "layer": theta.layer,
    "values": theta.values.tolist(),
    "report": theta.report.table.to_dict("list"),
    "applied": theta.apply("a", tokens=3),
    "steered": steered,
    "generated": model.generate("the a b", tokens=4),
    "extracted": tvsight.extract(model, episode).tolist(),
    "answer": tvsight.answer(model, episode.query, episode.demonstrations),
    "heads": tvsight.task_vector(
        model, "to_upper", episodes=4, shots=3, method="function_vector"
    ).heads,
    "own": tvsight.task_vector(model, "to_upper", episodes=4, shots=3, method=sys.argv[3]).kind,
}
patches = [(0, theta.values[0], -2), (1, theta.values[1])]
found |= {
    "tokens": tvsight.lens(model, "the a b", patches).table["token"].tolist(),
    "logits": model.logits(["the a b", "a b"], patches).tolist(),
    "attention": tvsight.attention(model, "the a b").values.flatten(0, 2).tolist(),
    "swept": theta.sweep("a", expected="A").table["answer"].tolist(),
}
print(json.dumps(found))
"""


def run(environment: dict[str, str], remote: Any, method: str) -> dict[str, Any]:
    environment = {"CUDA_VISIBLE_DEVICES": "", **environment}
    given = (TINY, json.dumps(remote), method)
    done = ran("-c", NOTEBOOK, *given, environment=environment, limit_s=LIMIT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_vectors_steering_and_answers_are_those_of_a_simulated_server(
    ndif: NdifServer, tmp_path: Path
) -> None:
    environment = ndif.client_environment(tmp_path / "home")
    method = str(write_example(tmp_path))
    found, expected = (run(environment, remote, method) for remote in (True, "simulated"))
    for name in ("values", "extracted", "logits", "attention"):
        assert flat(found.pop(name)) == pytest.approx(flat(expected.pop(name)), abs=1e-5), name
    assert found == expected
    assert found["steered"] != found["generated"]
    assert len(found["heads"]) > 1


def flat(rows: list[list[float]]) -> list[float]:
    return [number for row in rows for number in row]
