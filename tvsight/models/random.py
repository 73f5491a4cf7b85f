"""Models with random weights, for benchmarks and for rehearsals of remote jobs."""

from typing import Any

import torch
from nnsight import TransformersModel
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tvsight.interventions.decoder import ALIASES, Decoder, adapt

TINY = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": 64,
}


def random_llama(
    shape: dict[str, int], device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Decoder:
    """A Llama with random weights, made on the device where it runs."""
    torch.manual_seed(0)
    with torch.device(device):
        previous = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        model = LlamaForCausalLM(LlamaConfig(**shape, max_position_embeddings=4096)).eval()
        torch.set_default_dtype(previous)
    model.requires_grad_(False)
    words: dict[str, int] = {"<unk>": 0, "<s>": 1}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(words, unk_token="<unk>")), pad_token="<s>"
    )
    options: dict[str, Any] = {"task": "text-generation", "tokenizer": tokenizer}
    return adapt(TransformersModel(model, rename=ALIASES, **options))
