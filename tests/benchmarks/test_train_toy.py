"""Training of the toy: checkpoints on the way, and the same weights from the same seed."""

import dataclasses
from pathlib import Path

import torch

import tvsight
from benchmarks.train_toy import LETTERS, TASKS, Options, Toy, main
from tests.helpers.commands import ROOT
from tvsight.tasks import select


def options(folder: Path) -> Options:
    return Options(folder, steps=3, prompts=4, checkpoints=2)


def test_checkpoints_are_models_and_a_seed_decides_the_weights(tmp_path: Path) -> None:
    firsts = {}
    for name, changes in {"a": {}, "b": {}, "plain": {"plain": True}}.items():
        assert main(dataclasses.replace(options(tmp_path / name), **changes)) == 0
        firsts[name] = (tmp_path / name / "model.safetensors").read_bytes()
    assert firsts["a"] == firsts["b"]
    assert firsts["plain"] != firsts["a"]
    assert {path.name for path in (tmp_path / "a").glob("step-*")} == {"step-2", "step-3"}
    whole = tvsight.load(tmp_path / "a" / "step-2", device="cpu")
    assert whole.decoder.depth == 6


def test_the_tasks_are_those_that_are_trained() -> None:
    tasks = select("none", (str(ROOT / "tests" / "data" / "toy" / "tasks"),))
    kept = {task.name: {pair.input: pair.answer for pair in task.pairs} for task in tasks}
    expected = {f"toy_{name}": dict(zip(LETTERS, TASKS[name], strict=True)) for name in TASKS}
    assert kept == expected


def test_a_vector_is_written_over_the_last_token_of_another_letter() -> None:
    torch.manual_seed(0)
    toy = Toy()
    found = toy.answer(5)
    assert found.demonstrated.shape[:2] == found.expected.shape == (5, 6)
    prompt = toy.tokenizer("example: a-> b\nexample: c->").input_ids
    assert toy.tokenizer.convert_ids_to_tokens(prompt)[1:6] == ["example:", " a", "->", " b", "\n"]
    assert not (found.expected[:, -1] == found.zero_shot).all()
