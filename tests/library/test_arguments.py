"""Arguments of the library: the kinds that it takes, and its errors about others."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tvsight
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.errors import UsageError
from tvsight.library.arguments import as_patch
from tvsight.library.model import LoadedModel as Model
from tvsight.prompts import Episode

VECTOR = 5 * torch.randn(WIDTH, generator=torch.Generator().manual_seed(7))
BLOCKS = f"expected the number of a block, 0 to {DEPTH - 1}"
FORM = f"expected a dense vector of {WIDTH} floating-point numbers"


@pytest.fixture(scope="module")
def episodes(model: Model) -> list[Episode]:
    return tvsight.episodes(model, tvsight.task("to_upper"), count=4, shots=3)


@pytest.mark.parametrize(
    "layer", [-1, DEPTH, True, 2.0, "2", None, [2], torch.tensor(True)], ids=repr
)
def test_a_layer_that_is_no_block_is_refused(model: Model, layer: Any) -> None:
    with pytest.raises(UsageError, match=f"^layer: {BLOCKS}, got "):
        tvsight.answer(model, "a", patch=(layer, VECTOR))


@pytest.mark.parametrize("layer", [np.int64(2), torch.tensor(2)], ids=repr)
def test_a_layer_may_be_an_integer_of_numpy_or_torch(model: Model, layer: Any) -> None:
    found = tvsight.answer(model, "a", patch=(layer, VECTOR))
    assert found == tvsight.answer(model, "a", patch=(2, VECTOR))


@pytest.mark.parametrize(
    ("vector", "told"),
    [
        (VECTOR * torch.nan, "NaN or infinity in torch.float32"),
        (torch.full((WIDTH,), 1e39, dtype=torch.float64), "NaN or infinity in torch.float32"),
        (np.full(WIDTH, np.inf), "NaN or infinity"),
        (VECTOR[:-1], FORM),
        (VECTOR[None], FORM),
        (VECTOR.long(), rf"{FORM}, got Tensor torch\.int64 \[{WIDTH}\]"),
        (VECTOR + 1j, FORM),
        (VECTOR.to("meta"), FORM),
        (VECTOR.to_sparse(), FORM),
        (np.arange(WIDTH), FORM),
        (np.ma.masked_less(np.arange(WIDTH, dtype=float), 3), FORM),
        (VECTOR.tolist(), FORM),
        (None, FORM),
    ],
)
def test_a_vector_that_is_no_state_is_refused(model: Model, vector: Any, told: str) -> None:
    with pytest.raises(UsageError, match=f"^patch: .*{told}"):
        tvsight.answer(model, "a", patch=(2, vector))


@pytest.mark.parametrize("made", ["float64", "float16", ">f4", "reversed", "read-only"])
def test_a_vector_of_numpy_is_one_of_torch(model: Model, made: str) -> None:
    vector = VECTOR.half().float()
    array = vector.numpy().copy()
    if made == "reversed":
        array = array[::-1].copy()[::-1]
    elif made == "read-only":
        array.setflags(write=False)
    else:
        array = array.astype(made)
    layer, given = as_patch(model, (2, array))
    assert (layer, given.dtype) == (2, torch.float32)
    assert torch.equal(given, vector)


@pytest.mark.parametrize("text", [None, 3, b"a", [3], "\ud800"], ids=ascii)
def test_what_is_no_text_is_refused_wherever_a_prompt_takes_one(
    model: Model, episodes: list[Episode], text: Any
) -> None:
    asked = episodes[0]
    with pytest.raises(UsageError, match=r"^query: expected UTF-8 text"):
        tvsight.answer(model, text)
    for pair in ((text, "A"), ("a", text)):
        with pytest.raises(UsageError, match=r"^demonstration: expected UTF-8 text"):
            tvsight.answer(model, "a", [pair])
        with pytest.raises(UsageError, match=r"^demonstration: expected UTF-8 text"):
            tvsight.extract(model, replace(asked, demonstrations=(pair,)))
    with pytest.raises(UsageError, match=r"^dummy query: expected UTF-8 text"):
        tvsight.extract(model, replace(asked, dummy_queries=(text,)))


def test_templates_and_tasks_may_be_named(model: Model, episodes: list[Episode]) -> None:
    asked, arrow = episodes[0], tvsight.template("arrow")
    found = tvsight.extract(model, asked, "arrow")
    assert torch.equal(found, tvsight.extract(model, asked, arrow))
    assert not torch.equal(found, tvsight.extract(model, asked))
    shown = asked.demonstrations
    for name in ("arrow", "Q:{x}\\nA:{y}\\n"):
        wanted = tvsight.answer(model, "c", shown, prompt=tvsight.template(name))
        assert tvsight.answer(model, "c", shown, prompt=name) == wanted
    assert tvsight.episodes(model, "to_upper", count=4, shots=3) == episodes


ASKED = Episode("t", "dev", (("a", "A"),), "b", ("B",), ())
WRONG: dict[str, Callable[[Model], Any]] = {
    "^patch: expected a block and a vector": lambda model: tvsight.answer(model, "a", patch=(2,)),
    "^patch: expected .*dict": lambda model: tvsight.answer(model, "a", patch={2: VECTOR}),
    "^demonstrations: expected pairs": lambda model: tvsight.answer(model, "a", "ab"),
    "^demonstrations: .* tuple": lambda model: tvsight.answer(model, "a", [("a", "A", "b")]),
    "^demonstrations: .* None": lambda model: tvsight.answer(model, "a", None),
    "^dummy_queries: expected at least one text": lambda model: tvsight.extract(model, ASKED),
    "^dummy_queries: .* str": lambda model: tvsight.extract(
        model, replace(ASKED, dummy_queries="ab")
    ),
    **{
        f"^{name}: expected a whole number of at least 1, got": lambda model, name=name: (
            tvsight.episodes(model, "to_upper", **{name: 0})
        )
        for name in ("count", "shots", "dummy_queries")
    },
    "Unknown template 'arow'.*'arrow'": lambda model: tvsight.answer(model, "a", prompt="arow"),
    "^query: expected a text with a word in it, got str ''": lambda model: tvsight.answer(
        model, ""
    ),
    "^query: expected a text with a word in it, got str ' '": lambda model: tvsight.answer(
        model, " "
    ),
    "^Unknown template ''": lambda model: tvsight.answer(model, "a", prompt=""),
    "^prompt: expected a template": lambda model: tvsight.answer(model, "a", prompt=3),
    "^template: expected the name": lambda model: tvsight.template(None),
    "Unknown task 'to_uper'.*'to_upper'": lambda model: tvsight.episodes(model, "to_uper"),
    "^task: expected a task": lambda model: tvsight.episodes(model, None),
    "^task: expected the name": lambda model: tvsight.task(["to_upper"]),
    "^model: .*tvsight.load": lambda model: tvsight.answer(model.decoder, "a"),
    "^model: .*tvsight.load.*'gpt2'": lambda model: tvsight.episodes("gpt2", "to_upper"),
    "^model: .*tvsight.load.* None": lambda model: tvsight.extract(None, None),
    "^episode: .*tvsight.episodes": lambda model: tvsight.extract(model, "to_upper"),
    "^name: expected a model's name": lambda model: tvsight.load(None),
    "^name: .* bytes": lambda model: tvsight.load(b"gpt2"),
    "^Unknown model ''": lambda model: tvsight.load(""),
    "^There is no directory '.*gemma-3-270m'": lambda model: tvsight.load(Path("gemma-3-270m")),
    "^There is no directory '.*org/name'": lambda model: tvsight.load(Path("org/name")),
    "^revision: expected": lambda model: tvsight.load("org/name", revision=3),
    "^revision: .*''": lambda model: tvsight.load("org/name", revision=""),
    "^dtype torch.float64: .*float32": lambda model: tvsight.load(
        model.source.location, dtype=torch.float64
    ),
    "^dtype fp32: .*float32": lambda model: tvsight.load(model.source.location, dtype="fp32"),
    "^dtype None: ": lambda model: tvsight.load(model.source.location, dtype=None),
    "^device: .*cuda:1": lambda model: tvsight.load(model.source.location, device="cuda:1"),
    "^device: .*None": lambda model: tvsight.load(model.source.location, device=None),
    "^trust_remote_code: .*'no'": lambda model: tvsight.load(
        model.source.location, trust_remote_code="no"
    ),
}


@pytest.mark.parametrize("told", WRONG)
def test_an_argument_of_the_wrong_kind_says_what_was_expected(model: Model, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        WRONG[told](model)


@pytest.mark.parametrize("value", [True, "2", 2.0, None], ids=repr)
@pytest.mark.parametrize("name", ["count", "seed"])
def test_what_is_no_whole_number_is_refused(model: Model, name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"^{name}: expected a whole number.*, got "):
        tvsight.episodes(model, "to_upper", **{name: value})


def test_numpy_counts_give_the_same_episodes(model: Model, episodes: list[Episode]) -> None:
    counts = {"count": np.int64(4), "shots": np.int32(3), "seed": np.uint8(0)}
    assert tvsight.episodes(model, "to_upper", **counts) == episodes


def test_a_path_and_torchs_own_types_load_the_same_model(
    checkpoint: Path, episodes: list[Episode], model: Model
) -> None:
    for dtype, name in ((torch.float32, "float32"), (torch.bfloat16, "bfloat16")):
        found = tvsight.load(checkpoint, device=torch.device("cpu"), dtype=dtype)
        assert (found.dtype, found.source) == (name, model.source)
        assert found.decoder.dtype == dtype
    wanted = tvsight.extract(model, episodes[0])
    found = tvsight.load(checkpoint, dtype=torch.float32)
    assert torch.equal(tvsight.extract(found, episodes[0]), wanted)
