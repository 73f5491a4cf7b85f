"""Checkpoints that are loaded only when asked for, and ones that cannot be loaded at all."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file

from tests.helpers.commands import analysis
from tests.helpers.tiny_models import DEPTH, HEADS
from tvsight.errors import UsageError
from tvsight.models.loading import Model, configured_heads, load, load_tokenizer
from tvsight.models.sources import ModelSource, resolve

SMALL = ("--tasks", "to_upper", "--episodes-per-split", "2", "--shots", "2", "--device", "cpu")


@pytest.fixture
def checkpoint(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> Path:
    """A checkpoint that a test may change."""
    return Path(shutil.copytree(tiny_checkpoint("llama"), tmp_path / "mine"))


@pytest.fixture
def pickled(checkpoint: Path) -> Path:
    """The same, with its weights as a pickle only."""
    weights = checkpoint / "model.safetensors"
    torch.save(load_file(weights), checkpoint / "pytorch_model.bin")
    weights.unlink()
    return checkpoint


def refusal(checkpoint: Path, **options: Any) -> str:
    with pytest.raises(UsageError) as refused:
        load(str(checkpoint), device="cpu", **options)
    return str(refused.value)


def weights_of(model: Model) -> dict[str, torch.Tensor]:
    return dict(model.decoder.nn._module.named_parameters())


def test_pickled_weights_are_refused_and_the_option_that_reads_them_is_named(pickled: Path) -> None:
    message = refusal(pickled)
    assert message.startswith("The checkpoint mine has no safetensors weights, and pickled weights")
    assert message.endswith("repeat with --allow-pickled-weights.")


def test_pickled_weights_are_read_when_asked_for(
    pickled: Path, tiny_checkpoint: Callable[[str], Path]
) -> None:
    found = weights_of(load(str(pickled), device="cpu", allow_pickled_weights=True))
    wanted = weights_of(load(str(tiny_checkpoint("llama")), device="cpu"))
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


class Touch:
    """Runs code when it is read from a pickle."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("allowed", [False, True])
def test_a_pickle_that_would_run_code_runs_none(
    pickled: Path, tmp_path: Path, allowed: bool
) -> None:
    torch.save({"model.norm.weight": Touch(tmp_path / "ran")}, pickled / "pytorch_model.bin")
    assert "mine" in refusal(pickled, allow_pickled_weights=allowed)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("allowed", [False, True])
def test_a_checkpoint_without_weights_says_what_is_missing(checkpoint: Path, allowed: bool) -> None:
    (checkpoint / "model.safetensors").unlink()
    assert refusal(checkpoint, allow_pickled_weights=allowed) == (
        "The checkpoint mine holds no weights: model.safetensors, whole or in parts, was expected."
    )


def test_weights_that_are_cut_short_are_told_in_one_line(checkpoint: Path) -> None:
    weights = checkpoint / "model.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)
    message = refusal(checkpoint)
    assert message.startswith("The checkpoint mine cannot be loaded: SafetensorError: ")
    assert "\n" not in message


def test_another_precision_than_the_one_asked_for_is_refused(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = transformers.AutoModelForCausalLM.from_pretrained

    def only_wide(*arguments: Any, **options: Any) -> Any:
        return whole(*arguments, **options | {"dtype": torch.float32})

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", only_wide)
    assert load(str(checkpoint), device="cpu", dtype="float32").dtype == "float32"
    assert "cannot be held in bfloat16 here" in refusal(checkpoint, dtype="bfloat16")


def test_layers_are_not_replaced_by_compiled_code_of_the_hub(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced: list[Any] = []
    monkeypatch.setattr(
        "transformers.modeling_utils.kernelize",
        lambda module, *_, **__: replaced.append(module),
        raising=False,
    )
    load(str(checkpoint), device="cpu")
    assert replaced == []


def with_own_code(checkpoint: Path, file: str, model_type: str | None = None) -> Path:
    """Add code to a checkpoint, which its configuration asks for; returns what the code makes."""
    ran = checkpoint.parent / "ran"
    code = f"import os\nos.makedirs({str(ran)!r}, exist_ok=True)\n"
    code += "from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast\n"
    code += "class OwnConfig(LlamaConfig):\n    model_type = 'own'\n"
    code += "class OwnForCausalLM(LlamaForCausalLM):\n    config_class = OwnConfig\n"
    code += "class OwnTokenizer(PreTrainedTokenizerFast):\n    pass\n"
    (checkpoint / "own.py").write_text(code)
    fields = json.loads((checkpoint / file).read_text())
    fields["auto_map"] = {
        "AutoConfig": "own.OwnConfig",
        "AutoModelForCausalLM": "own.OwnForCausalLM",
        "AutoTokenizer": ["own.OwnTokenizer", "own.OwnTokenizer"],
    }
    if model_type is not None:
        fields["model_type"] = model_type
    (checkpoint / file).write_text(json.dumps(fields))
    return ran


@pytest.mark.slow
def test_code_that_a_checkpoint_brings_is_refused_unless_asked_for(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = with_own_code(checkpoint, "config.json", "own")
    assert refusal(checkpoint) == (
        "mine brings its own code, which is not run unless you ask for it: read it, then repeat "
        "with --trust-remote-code."
    )
    options = ("--model", checkpoint, "--results", tmp_path / "results", *SMALL)
    assert not ran.exists()
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    assert analysis("main_results", *options, "--trust-remote-code").returncode == 0
    assert ran.exists()


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_where_the_library_knows_the_model_its_own_code_does_not_run(
    checkpoint: Path, file: str
) -> None:
    ran = with_own_code(checkpoint, file)
    load(str(checkpoint), device="cpu")
    load_tokenizer(str(checkpoint))
    assert not ran.exists()


@pytest.mark.parametrize("family", ["qwen2", "gpt2", "gemma3", "falcon_rotary"])
def test_heads_are_counted_by_the_configuration_alone(
    family: str, tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    shutil.copy(tiny_checkpoint(family) / "config.json", tmp_path)
    assert configured_heads(resolve(tmp_path)) == DEPTH * HEADS


@pytest.mark.parametrize("text", [None, "{", '{"model_type": "mamba"}'])
def test_a_configuration_that_names_no_heads_counts_none(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    assert configured_heads(ModelSource("directory", "mine", str(tmp_path))) is None
