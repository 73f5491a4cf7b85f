"""Checkpoints whose configuration, tensors or tokenizer are not what a model needs."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.helpers.changed_checkpoints import Weights, configure, having, refusal, reweigh, without
from tests.helpers.tiny_models import DEPTH
from tvsight.errors import UsageError
from tvsight.models.loading import load, load_tokenizer

NAN, INFINITY = float("nan"), float("inf")


def test_parts_of_which_the_index_lacks_one_are_refused(checkpoint: Callable[[str], Path]) -> None:
    mine = checkpoint("llama")
    weights = load_file(mine / "model.safetensors")
    last = f"model.layers.{DEPTH - 1}."
    first = {name: tensor for name, tensor in weights.items() if last not in name}
    part = "model-00001-of-00002.safetensors"
    save_file(first, mine / part, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": dict.fromkeys(first, part)}
    (mine / "model.safetensors.index.json").write_text(json.dumps(index))
    (mine / "model.safetensors").unlink()
    message = refusal(mine)
    assert f"9 missing (model.layers.{DEPTH - 1}.input_layernorm.weight, " in message
    assert "and 6 more" in message


def unfit(found: str) -> str:
    return (
        f"The tensors of the checkpoint mine do not fit its config.json: {found}. "
        "Get the checkpoint again, or correct its config.json."
    )


@pytest.mark.parametrize(
    ("family", "tensor", "found"),
    [
        ("llama", "model.layers.2.self_attn.q_proj", "1 missing ({}.weight)"),
        ("gpt_neox", "gpt_neox.layers.0.attention.dense.bias", "1 missing ({})"),
        ("opt", "model.decoder.embed_positions", "1 missing ({}.weight)"),
        ("gpt2", "wte", "2 missing (lm_head.weight, transformer.{}.weight)"),
    ],
)
def test_a_tensor_that_is_missing_is_named(
    checkpoint: Callable[[str], Path],
    capfd: pytest.CaptureFixture[str],
    family: str,
    tensor: str,
    found: str,
) -> None:
    mine = without(checkpoint(family), tensor)
    capfd.readouterr()
    assert refusal(mine) == unfit(found.format(tensor))
    assert capfd.readouterr().err == ""


def test_pickled_weights_are_checked_as_well(checkpoint: Callable[[str], Path]) -> None:
    mine = checkpoint("llama")
    weights = load_file(mine / "model.safetensors")
    torch.save(weights | {"v_head.weight": torch.ones(3)}, mine / "pytorch_model.bin")
    (mine / "model.safetensors").unlink()
    message = refusal(mine, allow_pickled_weights=True)
    assert message == unfit("1 left over (v_head.weight)")


@pytest.mark.parametrize(
    ("family", "fields", "found"),
    [
        (
            "llama",
            {"num_hidden_layers": DEPTH + 2},
            f"18 missing (model.layers.{DEPTH}.input_layernorm.weight, ",
        ),
        ("gpt2", {"n_layer": DEPTH - 1}, f"11 left over (transformer.h.{DEPTH - 1}.attn.c_attn."),
        (
            "llama",
            {"vocab_size": 500},
            "2 of another shape (lm_head.weight [304, 32] instead of [500, 32], ",
        ),
        (
            "mixtral",
            {"num_local_experts": 2},
            f"{3 * DEPTH} of another shape (model.layers.0.mlp.experts.down_proj [3, 32, 64] ",
        ),
    ],
)
def test_a_configuration_of_another_size_is_told_from_the_weights(
    checkpoint: Callable[[str], Path], family: str, fields: dict[str, Any], found: str
) -> None:
    message = refusal(configure(checkpoint(family), **fields))
    assert message.startswith(unfit("|").split("|")[0] + found)


def test_embeddings_that_are_tied_need_no_unembedding(checkpoint: Callable[[str], Path]) -> None:
    mine = without(checkpoint("llama"), "lm_head")
    assert refusal(mine) == unfit("1 missing (lm_head.weight)")
    load(str(configure(mine, tie_word_embeddings=True)), device="cpu")


def test_experts_of_unequal_shapes_are_refused(checkpoint: Callable[[str], Path]) -> None:
    odd = {"model.layers.1.block_sparse_moe.experts.1.w1.weight": torch.ones(3, 3)}
    message = refusal(having(checkpoint("mixtral"), **odd))
    assert "such as experts, are missing or of unequal shapes" in message


def test_an_expert_that_is_missing_leaves_the_merged_tensor_of_another_shape(
    checkpoint: Callable[[str], Path],
) -> None:
    mine = without(checkpoint("mixtral"), "model.layers.1.block_sparse_moe.experts.2.w2")
    merged = "model.layers.1.mlp.experts.down_proj [2, 32, 64] instead of [3, 32, 64]"
    assert refusal(mine) == unfit(f"1 of another shape ({merged})")


@pytest.mark.parametrize(
    ("family", "buffer"),
    [
        ("llama", "model.layers.0.self_attn.rotary_emb.inv_freq"),
        ("gpt_neox", "gpt_neox.layers.0.attention.masked_bias"),
        ("gpt2", "transformer.h.0.attn.bias"),
    ],
)
def test_buffers_that_older_checkpoints_hold_are_left_aside(
    checkpoint: Callable[[str], Path], family: str, buffer: str
) -> None:
    load(str(having(checkpoint(family), **{buffer: torch.ones(3)})), device="cpu")


@pytest.mark.parametrize(
    ("family", "field", "value"),
    [
        *[("llama", "num_hidden_layers", value) for value in (0, 200_000)],
        *[("llama", field, -8) for field in ("hidden_size", "vocab_size", "head_dim")],
        *[("llama", field, 0) for field in ("num_key_value_heads", "max_position_embeddings")],
        *[("llama", "rms_norm_eps", value) for value in (NAN, INFINITY)],
        *[("gpt2", "n_layer", -1), ("gpt2", "n_head", 0)],
        ("gemma2", "final_logit_softcapping", NAN),
    ],
)
def test_a_size_or_number_that_no_decoder_has_is_refused_before_anything_is_built(
    checkpoint: Callable[[str], Path], family: str, field: str, value: float
) -> None:
    mine = configure(checkpoint(family), **{field: value})
    start = time.process_time()
    message = refusal(mine)
    assert time.process_time() - start < 1
    assert f"mine cannot be built: {field} is {value} in its config.json" in message
    assert "was expected." in message


@pytest.mark.parametrize(
    "fields",
    [
        {"num_hidden_layers": 1.5},
        {"num_attention_heads": 5},
        {"hidden_act": "none such"},
        {"dtype": "none such"},
        {"model_type": ["llama"]},
    ],
    ids=json.dumps,
)
def test_a_configuration_that_cannot_be_used_is_one_line(
    checkpoint: Callable[[str], Path], fields: dict[str, Any]
) -> None:
    message = refusal(configure(checkpoint("llama"), **fields))
    assert message.startswith(("The configuration of mine cannot be used: ", "The architecture "))


@pytest.mark.parametrize("content", ["null", "{}", "{", "\x00"])
@pytest.mark.parametrize("file", ["config.json", "tokenizer.json"])
def test_a_damaged_file_is_one_line(
    checkpoint: Callable[[str], Path], file: str, content: str
) -> None:
    mine = checkpoint("llama")
    (mine / file).write_text(content)
    message = refusal(mine)
    assert "mine" in message
    if file == "tokenizer.json":
        assert message.startswith("The tokenizer of mine cannot be used: ")
        with pytest.raises(UsageError, match="The tokenizer of mine cannot be used: "):
            load_tokenizer(str(mine))


def test_a_tokenizer_without_tokens_is_refused(checkpoint: Callable[[str], Path]) -> None:
    file = checkpoint("llama") / "tokenizer.json"
    fields = json.loads(file.read_text())
    fields["model"] |= {"vocab": {}, "merges": []}
    file.write_text(json.dumps(fields))
    assert refusal(file.parent) == "The tokenizer of mine is empty: it has no tokens."


@pytest.mark.parametrize("factor", [0.0, NAN, INFINITY])
def test_weights_that_tell_no_token_from_another_are_refused(
    checkpoint: Callable[[str], Path], factor: float
) -> None:
    def changed(weights: Weights) -> Weights:
        return weights | {"model.norm.weight": weights["model.norm.weight"] * factor}

    message = refusal(reweigh(checkpoint("llama"), changed))
    problem = "not finite" if factor else "the same for every token"
    assert f"The logits of this LlamaForCausalLM are {problem} in torch.float32" in message
