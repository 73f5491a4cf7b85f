import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.prompt_files import read_prompts
from benchmarks.replay_function_vectors import Options, main, replay
from tests.helpers.method_prompts import few_shot, method_prompts
from tests.helpers.reference import hooked
from tests.helpers.reference_heads import HeadsReference
from tests.helpers.tiny_models import DEPTH, HEADS
from tvsight.errors import UsageError
from tvsight.models.loading import Model, load

BLOCKS = [1, 3]
TOP = 3


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Callable[[str], Path]) -> Path:
    return tiny_checkpoint("qwen2")


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Model:
    return load(str(checkpoint), device="cpu")


@pytest.fixture(scope="module")
def found(checkpoint: Path, model: Model) -> dict[str, Any]:
    """A file as other code would write it, measured in plain PyTorch."""
    reference = HeadsReference(checkpoint)
    tokens = method_prompts(model).dev

    def text(prompt: list[int]) -> str:
        return str(model.tokenizer.decode(prompt, skip_special_tokens=True))

    def asked(prompt: list[int], token: int) -> dict[str, Any]:
        assert model.tokenizer(text(prompt)).input_ids == prompt
        answer = model.tokenizer.decode([token])
        return {"prompt": text(prompt), "answer": answer, "answer_token": token}

    states = [reference.last_heads(prompt) for prompt in few_shot(tokens)]
    means = torch.stack(states).mean(dim=0)
    effects = []
    for prompt, token in zip(tokens["shuffled"], tokens["expected"], strict=True):
        before = reference.answer(prompt).log_probabilities[token].exp()
        of_prompt = [
            reference.answer_with(prompt, [(layer, head)], means).log_probabilities[token].exp()
            - before
            for layer in range(DEPTH)
            for head in range(HEADS)
        ]
        effects.append(torch.stack(of_prompt).view(DEPTH, HEADS))
    mean = torch.stack(effects).mean(dim=0)
    order = mean.flatten().argsort(descending=True)[:TOP].tolist()
    top = [(place // HEADS, place % HEADS) for place in order]
    written = reference.contributions(means)
    vector = torch.stack([written[head] for head in top]).sum(dim=0)

    zero_shot = []
    for prompt, token in zip(tokens["zero_shot"], tokens["expected"], strict=True):
        clean = logits(reference, prompt)
        states = reference.residual_streams(prompt)
        added = {
            str(block): logits(reference, prompt, block, states[block] + vector) for block in BLOCKS
        }
        of_blocks = {
            block: {
                "token": int(one.argmax()),
                "rank": int((one > one[token]).sum()),
                "changed": float((one - clean).abs().max()),
            }
            for block, one in added.items()
        }
        with_clean = asked(prompt, token) | {"clean": {"token": int(clean.argmax())}}
        zero_shot.append(with_clean | {"fv": of_blocks})
    return {
        "mean_prompts": [text(prompt) for prompt in few_shot(tokens)],
        "aie_prompts": [
            asked(prompt, token)
            for prompt, token in zip(tokens["shuffled"], tokens["expected"], strict=True)
        ],
        "aie_by_prompt": torch.stack(effects).tolist(),
        "top_heads": [[*head, float(mean[head])] for head in top],
        "vector": vector.tolist(),
        "blocks": BLOCKS,
        "zero_shot": zero_shot,
    }


@torch.no_grad()
def logits(
    reference: HeadsReference, prompt: list[int], block: int = 0, state: Tensor | None = None
) -> Tensor:
    """Of the next token; with a state in the place of the last one after a block."""

    def overwrite(states: Tensor) -> None:
        if state is not None:
            states[0, -1] = state

    with hooked([reference.blocks[block]], overwrite):
        found: Tensor = reference.model(input_ids=torch.tensor([prompt]), use_cache=False).logits
    return found[0, -1]


def written(folder: Path, content: dict[str, Any]) -> Path:
    file = folder / "prompts.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def test_what_plain_hooks_found_is_found_again(
    model: Model, found: dict[str, Any], tmp_path: Path
) -> None:
    compared = replay(model, read_prompts(written(tmp_path, found)))
    rows = {one.name: f"{one.equal} of {one.compared}" for one in compared}
    count = len(found["aie_prompts"])
    assert rows == {
        "Effect of a head on a prompt": f"{count * DEPTH * HEADS} of {count * DEPTH * HEADS}",
        "Heads of largest mean effect, in order": f"{TOP} of {TOP}",
        "Entry of the vector": f"{len(found['vector'])} of {len(found['vector'])}",
        "Answer without the vector": f"{count} of {count}",
        **{f"Answer with it after block {block}": f"{count} of {count}" for block in BLOCKS},
    }
    assert [path.name for path in tmp_path.iterdir()] == ["prompts.json"]


def test_changes_of_logits_are_compared(model: Model, found: dict[str, Any]) -> None:
    assert max(one.difference for one in replay(model, found)) < 1e-3
    other = copy.deepcopy(found)
    other["zero_shot"][0]["fv"]["1"]["changed"] += 0.5
    by_name = {one.name: one for one in replay(model, other)}
    assert by_name["Answer with it after block 1"].difference == pytest.approx(0.5, abs=1e-3)


def test_an_effect_that_differs_is_printed_and_ends_with_1(
    checkpoint: Path, found: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(Options(str(written(tmp_path, found)), str(checkpoint))) == 0
    other = copy.deepcopy(found)
    other["aie_by_prompt"][1][2][3] += 0.01
    capsys.readouterr()
    assert main(Options(str(written(tmp_path, other)), str(checkpoint))) == 1
    count = len(found["aie_prompts"]) * DEPTH * HEADS
    shown = capsys.readouterr().out
    assert f"{count - 1} of {count}" in shown
    assert "1.0e-02" in shown


def test_another_head_and_another_token_are_found(model: Model, found: dict[str, Any]) -> None:
    other = copy.deepcopy(found)
    last = found["top_heads"][-1]
    other["top_heads"][0] = last
    other["zero_shot"][0]["clean"]["token"] += 1
    by_name = {one.name: one for one in replay(model, other)}
    heads = by_name["Heads of largest mean effect, in order"]
    assert (heads.compared, heads.equal) == (TOP, TOP - 1)
    answers = by_name["Answer without the vector"]
    assert answers.equal == answers.compared - 1


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a token": (
        lambda c: c["zero_shot"][1].update(answer_token=0),
        "the answer .* begins with token 0 in the file, and with [0-9]+ for",
    ),
    "another model": (
        lambda c: c.update(aie_by_prompt=[of[1:] for of in c["aie_by_prompt"]]),
        r"aie_by_prompt has the shape \[4, 4, 4\]; for this model \[4, 5, 4\]",
    ),
    "ragged effects": (lambda c: c["aie_by_prompt"][0].pop(), "aie_by_prompt: "),
    "effects in words": (lambda c: c.update(aie_by_prompt="large"), "aie_by_prompt: "),
    "a short vector": (lambda c: c["vector"].pop(), r"vector has the shape \[31\]"),
    "no vector": (lambda c: c.update(vector=None), "vector: "),
    "a vector in words": (lambda c: c["vector"].append("long"), "vector: "),
    "a later block": (
        lambda c: (
            c["blocks"].append(5),
            [one["fv"].update({"5": one["fv"]["1"]}) for one in c["zero_shot"]],
        ),
        "blocks holds 5; qwen2 has blocks 0 to 4",
    ),
    "another head": (lambda c: c["top_heads"].append([0, 9, 0.0]), "head"),
    "too many heads": (
        lambda c: c["top_heads"].extend([[0, 0, 0.0]] * 20),
        "top_heads has 23 entries; qwen2 has 20 heads",
    ),
    "a long prompt": (
        lambda c: c["mean_prompts"].append(c["mean_prompts"][0] * 9),
        r"window of qwen2 is 128 tokens \(1 of 13 prompts is longer\). Give shorter prompts, or",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_does_not_suit_is_refused(
    model: Model, found: dict[str, Any], tmp_path: Path, damage: str
) -> None:
    spoil, said = DAMAGES[damage]
    content = copy.deepcopy(found)
    spoil(content)
    with pytest.raises(UsageError, match=said):
        replay(model, read_prompts(written(tmp_path, content)))


@pytest.mark.parametrize("content", ["", "[]", "{", "\xff"])
def test_what_is_no_file_of_prompts_is_refused_with_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "prompts.json"
    file.write_text(content, encoding="latin-1")
    for name in (file, tmp_path / "missing.json"):
        with pytest.raises(UsageError) as refused:
            main(Options(str(name)))
        (line,) = str(refused.value).splitlines()
        assert line.startswith(f"{name}: ")
