"""What a benchmark measures on: a real model and its tasks, or a random model of a known shape."""

import random
from collections.abc import Iterator
from typing import Any

import torch

from tvsight.models.decoder import ALIASES, Decoder, adapt
from tvsight.models.loading import Model
from tvsight.prompts import PromptTokens, sample_episodes, template, tokenise, usable_pairs
from tvsight.tasks import Task

LLAMA_2_7B = {
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32000,
}
QUERY_TOKENS = (1, 2, 3)
"""Tokens of an input, of which one is drawn, in prompts of a random model."""
AROUND, ANSWER = 5, 1
"""Tokens of the template around an input, and of an answer."""


def task_prompts(
    model: Model, task: Task, shots: int = 5, per_split: int = 50
) -> tuple[PromptTokens, PromptTokens]:
    """Dev and test prompts of a task, sampled as `analyses.main_results` does."""
    prompt = template("example")
    usable = usable_pairs(task, model.tokenizer, prompt, model.name)
    episodes = sample_episodes(task.name, usable, shots, 2, per_split, seed=0)
    dev, test = (
        tokenise(model, [e for e in episodes if e.split == split], task.match, prompt)
        for split in ("dev", "test")
    )
    return dev, test


def random_llama(shape: dict[str, int], device: str, dtype: torch.dtype) -> Decoder:
    """A model of a Llama's shape with random weights, made where it will run."""
    from nnsight import TransformersModel
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

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


def random_prompts(
    vocabulary: int, tasks: int, shots: int = 5, per_split: int = 50
) -> Iterator[tuple[PromptTokens, PromptTokens]]:
    """Dev and test prompts of random tokens, as long as those of real tasks."""
    rng = random.Random(0)
    for _ in range(tasks):
        dev, test = (_random_split(rng, vocabulary, shots, per_split) for _ in range(2))
        yield dev, test


def _random_split(rng: random.Random, vocabulary: int, shots: int, per_split: int) -> PromptTokens:
    def tokens(count: int) -> list[int]:
        return [rng.randrange(3, vocabulary) for _ in range(count)]

    def query() -> list[int]:
        return [*tokens(rng.choice(QUERY_TOKENS)), 7, 8]

    episodes = range(per_split)
    queries = [query() for _ in episodes]
    length = AROUND + ANSWER + sum(QUERY_TOKENS) // len(QUERY_TOKENS)
    return {
        "shared": [[1, *tokens(shots * length + AROUND - 2)] for _ in episodes],
        "query": queries,
        "dummies": [[query(), query()] for _ in episodes],
        "zero_shot": [[1, 5, 6, *given] for given in queries],
        "accepted": [tokens(1) for _ in episodes],
        "expected": tokens(per_split),
        "others": [[other for other in episodes if other != episode] for episode in episodes],
    }
