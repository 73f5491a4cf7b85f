"""A checkpoint whose weights are on a server is compared with its configuration by its headers."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.utils.logging import enable_progress_bar

from tests.helpers.changed_checkpoints import ask, configure, having, refusal, without
from tests.helpers.tiny_models import DEPTH
from tests.ndif.hub import Hub, Repository
from tvsight.errors import UsageError
from tvsight.models import loading
from tvsight.models.checkpoints import load_headers, tensor_shapes
from tvsight.models.sources import ModelSource

NAME = "local/mine"
LAST = f"model.layers.{DEPTH - 1}."
Checkpoint = Callable[[str], Path]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub of the checkpoint `mine`, which this process asks."""
    with Hub(0, [Repository(NAME, tmp_path / "mine")]).served() as hub:
        ask(hub.url, monkeypatch)
        yield hub


def in_parts(path: Path) -> Path:
    weights = load_file(path / "model.safetensors")
    (path / "model.safetensors").unlink()
    parts = {name: f"model-0000{1 + (LAST in name)}-of-00002.safetensors" for name in weights}
    for part in set(parts.values()):
        held = {name: tensor for name, tensor in weights.items() if parts[name] == part}
        save_file(held, path / part, metadata={"format": "pt"})
    (path / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": parts})
    )
    return path


def remote(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load the directory as if the hub had it; its tensors are those that the hub lists."""
    source = ModelSource("hub", "mine", str(path))
    monkeypatch.setattr(loading, "resolve", lambda *_: source)
    monkeypatch.setattr(loading, "weights_identity", lambda _: "commit:0")
    there = partial(load_headers, location=NAME, revision=None)
    monkeypatch.setattr(loading, "load_headers", lambda module, *_: there(module))
    loading.load_remote("mine", "bfloat16")


@pytest.mark.parametrize(
    ("family", "change"),
    [
        ("llama", lambda path: without(path, ".")),
        ("llama", lambda path: in_parts(without(path, LAST))),
        ("llama", lambda path: configure(path, num_hidden_layers=DEPTH - 2)),
        ("gpt2", lambda path: without(path, "wte")),
        ("mixtral", lambda path: without(path, "layers.1.block_sparse_moe.experts.2.w2")),
        ("mixtral", lambda path: configure(path, num_local_experts=2)),
    ],
)
def test_a_checkpoint_is_refused_as_it_is_with_its_weights(
    checkpoint: Checkpoint,
    served: Hub,
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    change: Callable[[Path], Path],
) -> None:
    mine = change(checkpoint(family))
    message = refusal(mine)
    with pytest.raises(UsageError) as refused:
        remote(mine, monkeypatch)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("family", "change"),
    [
        *((family, lambda path: path) for family in ("gemma3", "opt", "gpt_neox")),
        ("llama", lambda path: configure(without(path, "lm_head"), tie_word_embeddings=True)),
        ("gpt2", lambda path: having(path, **{"transformer.h.0.attn.bias": torch.ones(3)})),
        ("gpt2", in_parts),
        ("mixtral", in_parts),
    ],
)
def test_what_a_load_leaves_aside_is_left_aside(
    checkpoint: Checkpoint,
    served: Hub,
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    change: Callable[[Path], Path],
    capfd: pytest.CaptureFixture[str],
) -> None:
    mine = change(checkpoint(family))
    enable_progress_bar()  # as in a new process, whatever was loaded before
    capfd.readouterr()
    remote(mine, monkeypatch)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("change", [lambda path: path, in_parts])
@pytest.mark.parametrize("newest", [True, False])
def test_the_shapes_on_the_hub_are_those_of_the_weights(
    checkpoint: Checkpoint, served: Hub, change: Callable[[Path], Path], newest: bool
) -> None:
    mine = checkpoint("llama")
    held = load_file(mine / "model.safetensors")
    change(mine)
    revision = None if newest else served.repositories[NAME].commit
    assert tensor_shapes(NAME, revision) == {name: list(of.shape) for name, of in held.items()}


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\xff" * 20, b"\2\0\0\0\0\0\0\0[]", None])
def test_tensors_that_cannot_be_known_are_no_error(
    checkpoint: Checkpoint, served: Hub, content: bytes | None
) -> None:
    file = checkpoint("llama") / "model.safetensors"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert tensor_shapes(NAME) is None


def test_a_gated_or_unreachable_hub_is_no_error(
    checkpoint: Checkpoint, served: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint("llama")
    served.repositories[NAME].gated = True
    assert tensor_shapes(NAME) is None
    ask("http://127.0.0.1:9", monkeypatch)
    assert tensor_shapes(NAME) is None


def test_quantised_weights_are_not_compared(
    checkpoint: Checkpoint, served: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = having(checkpoint("llama"), **{LAST + "mlp.up_proj.scales": torch.ones(3)})
    remote(configure(mine, quantization_config={"quant_method": "gptq", "bits": 4}), monkeypatch)
