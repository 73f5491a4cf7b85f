"""Models and pairs that a person holds already."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from nnsight import TransformersModel
from transformers import AutoModelForCausalLM, AutoTokenizer

import tvsight
from tvsight.errors import UsageError
from tvsight.library.model import LoadedModel

PAIRS = [(letter, letter.upper()) for letter in "abcdefghijklmnopqrstuvwxyz"]
SMALL: dict[str, Any] = {"episodes_per_split": 4, "shots": 3}


@pytest.fixture(scope="module")
def held(checkpoint: Path) -> tuple[Any, Any]:
    module = AutoModelForCausalLM.from_pretrained(checkpoint)
    return module, AutoTokenizer.from_pretrained(checkpoint)


@pytest.mark.parametrize("kind", ["transformers", "nnsight", "nnterp"])
def test_a_model_that_is_held_answers_as_its_checkpoint_does(
    held: tuple[Any, Any], model: LoadedModel, kind: str
) -> None:
    module, tokenizer = held
    given: tuple[Any, ...] = held
    if kind == "nnsight":
        given = (TransformersModel(module, task="text-generation", tokenizer=tokenizer),)
    elif kind == "nnterp":  # of which only these two names are used
        given = (SimpleNamespace(_module=module, tokenizer=tokenizer),)
    own = tvsight.load(*given)
    assert own.name == "own-gpt2"
    assert own.generate("hot cold", 5) == model.generate("hot cold", 5)
    assert own.weights == tvsight.load(*held).weights


def test_other_weights_have_another_identity(held: tuple[Any, Any], checkpoint: Path) -> None:
    other = AutoModelForCausalLM.from_pretrained(checkpoint)
    with torch.no_grad():
        next(other.parameters())[0, 0] += 1
    assert tvsight.load(other, held[1]).weights != tvsight.load(*held).weights


def change_scale(module: Any) -> None:
    module.transformer.h[0].attn.scaling = 3.0


def change_activation(module: Any) -> None:
    module.transformer.h[0].mlp.act = torch.nn.Identity()


def change_end(module: Any) -> None:
    module.generation_config.eos_token_id = 7


@pytest.mark.parametrize("change", [change_scale, change_activation, change_end])
def test_what_changes_numbers_but_no_tensor_has_another_identity(
    held: tuple[Any, Any], checkpoint: Path, change: Callable[[Any], None]
) -> None:
    other = AutoModelForCausalLM.from_pretrained(checkpoint)
    change(other)
    assert tvsight.load(other, held[1]).weights != tvsight.load(*held).weights


def test_a_model_with_a_hook_is_refused(held: tuple[Any, Any]) -> None:
    hook = held[0].transformer.h[1].register_forward_hook(lambda *_: None)
    with pytest.raises(UsageError, match=r"^model: transformer\.h\.1 has hooks, which no digest"):
        tvsight.load(*held)
    hook.remove()


def test_what_is_no_model_to_measure_is_refused(held: tuple[Any, Any], checkpoint: Path) -> None:
    module, tokenizer = held
    with pytest.raises(UsageError, match=r"^tokenizer: a model of transformers has none"):
        tvsight.load(module)
    with pytest.raises(UsageError, match=r"^name: expected a model's name"):
        tvsight.load(3)
    with pytest.raises(UsageError, match=r"^tokenizer: expected none"):
        tvsight.load(checkpoint, tokenizer)
    with pytest.raises(UsageError, match=r"^remote: a server has"):
        tvsight.load(module, tokenizer, remote=True)
    module.train()
    with pytest.raises(UsageError, match=r"call model.eval\(\) first"):
        tvsight.load(*held)
    module.eval()


def test_own_pairs_are_measured_among_names_and_stored(
    held: tuple[Any, Any], model: LoadedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, tasks = tvsight.load(*held), ["to_lower", tvsight.Task.of("mine", PAIRS)]
    rows = tvsight.measure(own, tasks, tmp_path, progress=True, **SMALL)
    assert "mine: " in capsys.readouterr().out
    assert {*rows["task"]} == {"to_lower", "mine"}
    named = tvsight.measure(model, "to_lower", tmp_path, **SMALL)
    ours = rows[rows["task"] == "to_lower"]
    assert ours["predicted"].tolist() == named["predicted"].tolist()
    own.decoder.nn.trace = None  # nothing is measured again
    assert tvsight.measure(own, tasks, tmp_path, **SMALL).equals(rows)
    del own.decoder.nn.trace


KINDS = {
    "lists": [list(pair) for pair in PAIRS],
    "dictionary": dict(PAIRS),
    "answers": [(word, [answer]) for word, answer in PAIRS],
    "frame": pd.DataFrame(PAIRS, columns=["word", "answer"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_may_have_many_forms(model: LoadedModel, kind: str) -> None:
    expected = tvsight.Task.of("own", PAIRS)
    assert tvsight.Task.of("own", KINDS[kind]) == expected
    assert tvsight.episodes(model, KINDS[kind], 3, 2) == tvsight.episodes(model, expected, 3, 2)


class Dataset:
    """As one of the package datasets: columns by name, rows as dictionaries."""

    column_names = ("word", "answer")

    def __getitem__(self, name: str) -> list[str]:
        return [pair[self.column_names.index(name)] for pair in PAIRS]


def test_a_dataset_of_the_hub_is_a_task() -> None:
    assert tvsight.Task.of("own", Dataset()) == tvsight.Task.of("own", PAIRS)


def test_one_set_of_pairs_is_one_task(model: LoadedModel, tmp_path: Path) -> None:
    for given, names in (
        (PAIRS, {"own"}),
        (KINDS["dictionary"], {"own"}),
        ([KINDS["frame"], "to_lower", PAIRS[:20]], {"own_1", "to_lower", "own_3"}),
    ):
        rows = tvsight.measure(model, given, tmp_path, **SMALL)
        assert {*rows["task"]} == names


@pytest.mark.parametrize(
    ("name", "pairs", "told"),
    [
        ("Two words", PAIRS, "lower-case letters"),
        ("own", [], "at least one was expected"),
        ("own", [("a", "A"), ("a", "B")], "is there twice"),
        ("own", [("a",)], "an input and an answer were expected"),
        ("own", 3, "^pairs: expected pairs"),
        ("own", "ab", "^pairs: expected pairs"),
        ("own", pd.DataFrame({"a": ["b"]}), "two columns were expected"),
    ],
)
def test_what_is_no_task_is_refused(name: str, pairs: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        tvsight.Task.of(name, pairs)


def test_a_task_with_the_name_of_another_is_refused(model: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="another task named 'antonyms'"):
        tvsight.measure(model, tvsight.Task.of("antonyms", PAIRS), tmp_path, **SMALL)
