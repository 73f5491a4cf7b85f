from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor
from transformers import AutoModelForCausalLM, GPT2Config, LlavaConfig, PretrainedConfig

import tvsight
from tests.helpers import tiny_models
from tvsight.errors import UsageError
from tvsight.interventions.decoder import Decoder, context_window
from tvsight.models.loading import load
from tvsight.prompts import Episode, Template


def test_a_model_whose_positions_padding_shifts_is_refused(
    tiny_checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = Decoder.inputs

    def without_positions(self: Decoder, ids: Tensor, mask: Tensor) -> dict[str, Tensor]:
        given = inputs(self, ids, mask)
        del given["position_ids"]
        return given

    monkeypatch.setattr(Decoder, "inputs", without_positions)
    with pytest.raises(UsageError, match=r"GPT2LMHeadModel is not supported: a prompt that contin"):
        load(str(tiny_checkpoint("gpt2")), device="cpu")


def test_a_model_whose_logits_are_made_otherwise_is_refused(
    tiny_checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    readout = Decoder.readout

    def scaled(self: Decoder, states: Tensor) -> Any:
        return 2 * readout(self, states)

    monkeypatch.setattr(Decoder, "readout", scaled)
    with pytest.raises(UsageError, match="differs from the model's logits"):
        load(str(tiny_checkpoint("llama")), device="cpu")


@pytest.mark.parametrize(
    ("config", "window"),
    [
        (GPT2Config(n_positions=64), 64),
        (GPT2Config(n_positions=64, n_ctx=32), 64),
        (tiny_models.configuration("MistralConfig", sliding_window=4), 4096 * 32),
        (tiny_models.configuration("MptConfig", max_seq_len=16), 16),
        (tiny_models.configuration("BloomConfig"), None),
        (LlavaConfig().get_text_config(), 2048),
        (PretrainedConfig(model_max_length=1024), 1024),
        (PretrainedConfig(max_position_embeddings=None, n_ctx=32), 32),
        (PretrainedConfig(max_position_embeddings=1e30), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, PretrainedConfig) else str(value),
)
def test_the_context_window_is_what_the_configuration_says(
    config: PretrainedConfig, window: int | None
) -> None:
    assert context_window(config) == window


WINDOWED = {
    "learned": ("GPT2Config", {"n_embd": 32, "n_layer": 2, "n_head": 4}, "n_positions"),
    "offset": (
        "OPTConfig",
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 32},
        "max_position_embeddings",
    ),
    "rotary": (
        "LlamaConfig",
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
        "max_position_embeddings",
    ),
}


def windowed(folder: Path, positions: str, window: int) -> Path:
    """A checkpoint with a context window."""
    name, sizes, option = WINDOWED[positions]
    config = tiny_models.configuration(name, **sizes, **{option: window})
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tiny_models.tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.parametrize("positions", WINDOWED)
@pytest.mark.parametrize("window", [3, 64])
def test_a_prompt_fills_the_window_and_does_not_exceed_it(
    tmp_path: Path, positions: str, window: int
) -> None:
    model = tvsight.load(windowed(tmp_path / "model", positions, window), device="cpu")
    bare = Template("{x}!{y}!")
    assert tvsight.answer(model, "~" * (window - 2), prompt=bare)  # with <s> and !
    said = rf"{window + 1} tokens, and the context window of model is {window} tokens"
    with pytest.raises(UsageError, match=said):
        tvsight.answer(model, "~" * (window - 1), prompt=bare)
    episode = Episode("t", "dev", (("a", "b"),) * window, "c", ("d",), ("e",))
    with pytest.raises(UsageError, match=f"the context window of model is {window} tokens"):
        tvsight.extract(model, episode, bare)


@pytest.mark.parametrize("positions", WINDOWED)
def test_a_window_for_no_prompt_at_all_is_refused(tmp_path: Path, positions: str) -> None:
    with pytest.raises(UsageError, match="context window of this model is 2 tokens, which no"):
        load(str(windowed(tmp_path / "model", positions, 2)), device="cpu")
