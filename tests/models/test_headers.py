"""A checkpoint whose weights are on a server is compared with its configuration by its headers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.helpers.changed_checkpoints import ask, configure, having, refusal, without
from tests.helpers.commands import ROOT
from tests.helpers.tiny_models import DEPTH, FAMILIES
from tests.ndif.hub import Hub, Repository
from tvsight.errors import UsageError
from tvsight.models import loading
from tvsight.models.headers import tensor_shapes
from tvsight.models.sources import ModelSource

NAME = "local/mine"
LAST = f"model.layers.{DEPTH - 1}."
Checkpoint = Callable[[str], Path]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub of the checkpoint `mine`, which this process asks."""
    with Hub.serving(Repository(NAME, tmp_path / "mine")) as hub:
        ask(hub.url, monkeypatch)
        yield hub


def asked(hub: Hub) -> list[str]:
    """Without what the hub's client asks about itself once a day."""
    return [path for path in hub.asked if NAME in path]


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


def remote(path: Path, monkeypatch: pytest.MonkeyPatch, revision: str | None = None) -> None:
    """Load the directory as if the hub had it."""
    source = ModelSource("hub", "mine", str(path), revision)
    monkeypatch.setattr(loading, "resolve", lambda *_: source)
    monkeypatch.setattr(loading, "weights_identity", lambda _: "commit:0")
    loading.load_remote("mine", "bfloat16")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_good_checkpoint_is_taken(
    tiny_checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    family: str,
) -> None:
    path = tiny_checkpoint(family)
    capfd.readouterr()
    remote(path, monkeypatch)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("family", "change"),
    [
        ("llama", lambda path: without(path, "model.norm.weight")),
        ("llama", lambda path: without(path, ".")),
        ("llama", lambda path: without(path, "lm_head")),
        ("llama", lambda path: in_parts(without(path, LAST))),
        ("llama", lambda path: having(path, **{"v_head.weight": torch.ones(3)})),
        ("llama", lambda path: configure(path, num_hidden_layers=DEPTH + 2)),
        ("llama", lambda path: configure(path, num_hidden_layers=DEPTH - 2)),
        ("llama", lambda path: configure(path, vocab_size=500)),
        ("gpt2", lambda path: without(path, "wte")),
        ("mixtral", lambda path: without(path, "layers.1.block_sparse_moe.experts.1.w1")),
        ("mixtral", lambda path: without(path, "layers.1.block_sparse_moe.experts.2.w2")),
        ("mixtral", lambda path: configure(path, num_local_experts=2)),
    ],
)
def test_a_checkpoint_is_refused_as_it_is_with_its_weights(
    checkpoint: Checkpoint,
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
        ("llama", lambda path: configure(without(path, "lm_head"), tie_word_embeddings=True)),
        ("gpt2", lambda path: having(path, **{"transformer.h.0.attn.bias": torch.ones(3)})),
        ("gpt2", in_parts),
        ("mixtral", in_parts),
    ],
)
def test_what_a_load_leaves_aside_is_left_aside(
    checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    change: Callable[[Path], Path],
) -> None:
    remote(change(checkpoint(family)), monkeypatch)


def test_the_hub_is_asked_once_for_one_file(checkpoint: Checkpoint, served: Hub) -> None:
    mine = checkpoint("llama")
    assert tensor_shapes(NAME) == tensor_shapes(str(mine)) != {}
    assert asked(served) == [f"/{NAME}/resolve/main/model.safetensors"]


def test_weights_are_not_downloaded(checkpoint: Checkpoint, served: Hub) -> None:
    """From a hub that sends the whole file, whatever part is asked for."""
    mine = checkpoint("llama")
    shapes = tensor_shapes(str(mine))
    os.truncate(mine / "model.safetensors", 100 << 30)  # takes no place on the disk
    assert tensor_shapes(NAME) == shapes


def test_the_hub_is_asked_twice_for_parts(checkpoint: Checkpoint, served: Hub) -> None:
    mine = in_parts(checkpoint("llama"))
    assert tensor_shapes(NAME) == tensor_shapes(str(mine)) != {}
    assert len(asked(served)) == 2


@pytest.mark.parametrize("family", ["llama", "mixtral", "gpt2"])
def test_blocks_of_another_revision_are_counted_by_its_index(
    checkpoint: Checkpoint, served: Hub, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    mine = in_parts(checkpoint(family))
    revision = served.repositories[NAME].commit
    shapes = tensor_shapes(NAME, revision)
    assert shapes == dict.fromkeys(tensor_shapes(str(mine)) or ())
    assert len(asked(served)) == 2
    monkeypatch.setattr("tvsight.models.checkpoints.tensor_shapes", lambda *_: shapes)
    remote(mine, monkeypatch, revision)
    depth = "n_layer" if family == "gpt2" else "num_hidden_layers"
    for other, problem in ((DEPTH + 1, "missing"), (DEPTH - 1, "left over")):
        with pytest.raises(UsageError, match=f"{problem} .*config.json has {other} blocks"):
            remote(configure(mine, **{depth: other}), monkeypatch, revision)


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\xff" * 20, b"\2\0\0\0\0\0\0\0[]", None])
@pytest.mark.parametrize("hub", [True, False])
def test_tensors_that_cannot_be_known_are_no_error(
    checkpoint: Checkpoint, served: Hub, content: bytes | None, hub: bool
) -> None:
    file = checkpoint("llama") / "model.safetensors"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert tensor_shapes(NAME if hub else str(file.parent)) is None


def test_a_gated_or_unreachable_hub_is_no_error(
    checkpoint: Checkpoint, served: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint("llama")
    served.repositories[NAME].gated = True
    assert tensor_shapes(NAME) is None
    ask("http://127.0.0.1:9", monkeypatch)
    assert tensor_shapes(NAME) is None


def test_quantised_weights_are_not_compared(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = having(checkpoint("llama"), **{LAST + "mlp.up_proj.scales": torch.ones(3)})
    remote(configure(mine, quantization_config={"quant_method": "gptq", "bits": 4}), monkeypatch)


def test_a_run_on_a_server_ends_before_the_server_is_asked(
    checkpoint: Checkpoint, served: Hub, tmp_path: Path
) -> None:
    without(checkpoint("llama"), "model.norm.weight")
    where = ("--host", "http://127.0.0.1:9", "--results", str(tmp_path / "results"))
    environment: dict[str, Any] = {"HF_ENDPOINT": served.url, "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "analyses.main_results", "--remote", "--model", NAME, *where],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "do not fit its config.json: 1 missing (model.norm.weight)." in done.stderr
