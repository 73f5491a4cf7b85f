"""Tiny random checkpoints, one per architecture family, and the tokenizer that they share.

Norms and biases are random too, and what stands early in a prompt sways the next token, so that a
vector read or written at the wrong place shows.
"""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import nn
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedTokenizerFast

DEPTH, WIDTH, HEADS = 5, 32, 4
WINDOW = 5
"""Sliding windows are shorter than every few-shot prompt and than some zero-shot prompts."""
WORDS = ["hot", "cold", "big", "small", "up", "down", "fast", "slow", "light", "dark", "open"]
"""Each is one token after a space."""
RANDOM_SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "vocab_size": 500,
}
"""Of a model without a tokenizer, for `tvsight.models.random.random_llama`."""
SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}

_SIZES = {
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": HEADS,
    "max_position_embeddings": 128,
}
_LLAMA_LIKE = _SIZES | {"intermediate_size": 64, "num_key_value_heads": 2}
_GEMMA_LIKE = _LLAMA_LIKE | {
    "head_dim": WIDTH // HEADS,
    "query_pre_attn_scalar": WIDTH // HEADS,
    "sliding_window": WINDOW,
}
_GPT_LIKE = {"n_embd": WIDTH, "n_layer": DEPTH, "n_head": HEADS, "n_positions": 128}

_CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", _LLAMA_LIKE),
    "mistral": ("MistralConfig", _LLAMA_LIKE | {"sliding_window": WINDOW}),
    "mixtral": (
        "MixtralConfig",
        _LLAMA_LIKE | {"num_local_experts": 3, "num_experts_per_tok": 2, "sliding_window": None},
    ),
    "qwen2": ("Qwen2Config", _LLAMA_LIKE),
    "qwen3": ("Qwen3Config", _LLAMA_LIKE | {"head_dim": WIDTH // HEADS}),
    "olmo2": ("Olmo2Config", _LLAMA_LIKE),
    "gemma2": ("Gemma2Config", _GEMMA_LIKE | {"final_logit_softcapping": 4.0}),
    "gemma3": ("Gemma3TextConfig", _GEMMA_LIKE | {"sliding_window_pattern": 3}),
    "gpt2": ("GPT2Config", _GPT_LIKE),
    "gpt_neox": ("GPTNeoXConfig", _SIZES | {"intermediate_size": 64}),
    "gptj": ("GPTJConfig", _GPT_LIKE | {"rotary_dim": 4}),
    "opt": ("OPTConfig", _SIZES | {"ffn_dim": 64}),
    # OPT-350m: no final norm, and a projection between the last block and the unembedding.
    "opt_projected": (
        "OPTConfig",
        _SIZES | {"ffn_dim": 64, "word_embed_proj_dim": 24, "do_layer_norm_before": False},
    ),
    "bloom": ("BloomConfig", {"hidden_size": WIDTH, "n_layer": DEPTH, "n_head": HEADS}),
    "falcon_alibi": ("FalconConfig", _SIZES | {"alibi": True, "multi_query": True, "bias": True}),
    "falcon_rotary": (
        "FalconConfig",
        _SIZES | {"new_decoder_architecture": True, "num_kv_heads": 2},
    ),
    "phi": ("PhiConfig", _SIZES | {"intermediate_size": 64}),
}
FAMILIES = tuple(_CONFIGS)
FEW = ("llama", "gemma3", "gpt2")
"""Families that every run of the tests measures."""
EVERY_FAMILY = [
    name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES
]
"""Parameters of a test or fixture: the others are slow."""

SEED = 0
"""With this one the answers of every family vary."""
MATRIX_STD, VECTOR_STD = 0.15, 0.1
ATTENTION_STD = dict.fromkeys(FAMILIES, 0.3) | {"opt_projected": 0.4}
"""Attention outweighs the rest, because through it alone the last token feels what precedes it.
Where norms follow the sums and shrink what it brings, it needs more."""


def build(family: str, directory: Path, **changes: Any) -> Path:
    """Write a checkpoint of `family` (one of `FAMILIES`), with `changes` of its configuration, to
    `directory`, and return that."""
    name, options = _CONFIGS[family]
    config = configuration(name, **options | changes)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    randomise(model, ATTENTION_STD[family])
    model.save_pretrained(directory)
    tokenizer().save_pretrained(directory)
    return directory


def configuration(name: str, **options: Any) -> PretrainedConfig:
    """A transformers configuration, by class name, for the vocabulary of `tokenizer`."""
    text = tokenizer()
    special = {f"{role}_id": getattr(text, f"{role}_id") for role in SPECIAL_TOKENS}
    return getattr(transformers, name)(vocab_size=len(text), **special, **options)


def randomise(model: nn.Module, attention_std: float) -> None:
    """Replace every matrix, and move every norm and bias off its initial value."""
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() == 1:
                parameter.add_(VECTOR_STD * noise)
            else:
                parameter.copy_((attention_std if "att" in name else MATRIX_STD) * noise)


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE that begins every prompt with a beginning-of-sequence token."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(SPECIAL_TOKENS.values()),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator([f"example: {x}-> {y}\n" for x in WORDS for y in WORDS], trainer)
    bos = SPECIAL_TOKENS["bos_token"]
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, bpe.token_to_id(bos))]
    )
    return PreTrainedTokenizerFast(tokenizer_object=bpe, **SPECIAL_TOKENS)
