"""The models of benchmarks: a real model and its tasks, or a random model of a known shape."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tvsight.config import RunConfig
from tvsight.models.loading import Model
from tvsight.models.random import TINY
from tvsight.prompts import PromptTokens
from tvsight.prompts.tokens import averaged_together, whole_prompts
from tvsight.protocol.rows import asked, method_tokens
from tvsight.run.planning import read_plan
from tvsight.tasks import Task

LLAMA_2 = {
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32000,
}
LLAMA_3 = LLAMA_2 | {
    "intermediate_size": 14336,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "rope_theta": 500000,
}
SHAPES = {"llama-2-7b": LLAMA_2, "llama-3.1-8b": LLAMA_3, "tiny": TINY}
"""The shapes of models, for `tvsight.models.random.random_llama`."""
QUERY_TOKENS = (1, 2, 3)
"""Tokens of an input, of which one is drawn, in prompts of a random model."""
AROUND, ANSWER = 5, 1
"""Tokens of the template around an input, and of an answer."""


def task_prompts(model: Model, task: Task) -> tuple[PromptTokens, PromptTokens]:
    """Dev and test prompts of a task, sampled as `analyses.main_results` does."""
    plan = read_plan(RunConfig(tasks=task.name))
    of_split = asked(model, task, plan.episodes(task, model)[0], plan.template)
    return of_split["dev"].tokens, of_split["test"].tokens


def method_prompts(model: Model, task: Task, shots: int) -> PromptTokens:
    """Dev prompts of a task with those whose labels are shuffled, as `analyses.function_vectors`
    has them."""
    plan = read_plan(RunConfig(tasks=task.name, shots=shots))
    episodes, _ = plan.episodes(task, model)
    of_split = asked(model, task, episodes, plan.template)
    return method_tokens(plan, task, model, episodes, of_split)["dev"]


def place(device: torch.device) -> str:
    """The device in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{os.cpu_count()} CPU cores, {torch.get_num_threads()} threads"


def save_tiny(folder: Path) -> None:
    """Save a checkpoint of a tiny random Llama. Its tokens are bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    config = LlamaConfig(**TINY | {"vocab_size": len(alphabet)})
    LlamaForCausalLM(config).save_pretrained(folder)


def random_prompts(
    vocabulary: int, tasks: int, shots: int = 5, per_split: int = 50
) -> Iterator[tuple[PromptTokens, PromptTokens]]:
    """Dev and test prompts of random tokens, as long as those of real tasks."""
    rng = random.Random(0)
    for _ in range(tasks):
        dev, test = (_random_split(rng, vocabulary, shots, per_split) for _ in range(2))
        yield dev, test


def random_method_prompts(vocabulary: int, shots: int) -> PromptTokens:
    """Prompts of random tokens for the effects of heads. Other random prompts, as long, stand for
    those whose labels are shuffled."""
    dev, shuffled = next(random_prompts(vocabulary, 1, shots))
    return {**dev, "shuffled": whole_prompts(shuffled)}


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
        "others": [[o for o in averaged_together(e, per_split) if o != e] for e in episodes],
    }
