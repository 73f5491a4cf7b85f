"""Results without vectors and the client's memory stay small for the largest models."""

import io
import json
from typing import Any

import pytest
import torch
import zstandard
from torch import Tensor
from transformers import LlamaConfig

from tests.execution import client_memory, result_memory
from tests.helpers import tiny_models
from tests.helpers.commands import ran
from tests.helpers.reads import answers_of
from tests.helpers.tiny_llama import EXAMPLE
from tvsight.config import RunConfig
from tvsight.execution.here import run
from tvsight.models.loading import Model
from tvsight.models.random import TINY, random_llama
from tvsight.prompts import Episode, tokenise
from tvsight.protocol.measure import measure

pytestmark = pytest.mark.slow

DEEPEST = 126
"""Blocks of Llama-3.1-405B, the deepest model of the catalogue."""
VOCABULARY = 128_256
DISTINCT = 1000
"""Tokens that a model answers with in one task and sweep."""
LARGEST_RESULT = 200_000
SERVER_LEVEL = 3
"""Of compression, of NDIF 0.1.2."""

DEEP = 40
"""Blocks of the client's large model: a rehearsal takes the square of them in time."""
LARGEST_GROWTH_MB = 350
"""Growth from a client of a tiny model to one of 130 billion parameters."""
LARGEST_CLIENT_MB = 850
"""Of which half is taken by libraries, before any model is named."""


def blown_up(value: Any, name: str, sizes: dict[int, int], precision: torch.dtype) -> Any:
    """A result of the same form and of other sizes, with numbers as a model of a precision gives
    them: logits have that precision, the logarithm of their sum has more."""
    if isinstance(value, dict):
        return {key: blown_up(part, key, sizes, precision) for key, part in value.items()}
    if isinstance(value, list):
        return [blown_up(part, name, sizes, precision) for part in value]
    if not isinstance(value, Tensor):
        return value
    shape = [sizes.get(length, length) for length in value.shape]
    logits = (15 + 3 * torch.randn(2, *shape)).to(precision).float()
    match name:
        case "token":
            answers = torch.randint(VOCABULARY, (DISTINCT,), dtype=value.dtype)
            return answers[torch.randint(DISTINCT, shape)]
        case "rank":
            return torch.randn(shape).mul(3).exp().long() + 1
        case "gap":
            return logits[0] - logits[1]
        case "margin":
            return logits[0].maximum(logits[1]) - logits[0].minimum(logits[1])
        case _:
            return logits[0] - 22 - torch.rand(shape)


def test_a_result_without_vectors_stays_small_for_the_deepest_model(
    model: Model, episodes: list[Episode]
) -> None:
    """At the defaults: 50 episodes in each split, and bfloat16."""
    assert (RunConfig().episodes_per_split, RunConfig().max_job_episodes) == (50, 200)
    prompts = tokenise(model, episodes, "exact", EXAMPLE)
    depth, count = 5, len(episodes)
    assert depth != count
    decoder = random_llama(TINY | {"num_hidden_layers": depth, "vocab_size": 400})
    small = run(decoder, measure, prompts, prompts, False)
    torch.manual_seed(0)
    sizes = {count: 50, depth: DEEPEST}
    large = blown_up(small, "", sizes, torch.bfloat16)
    tokens = answers_of(large["dev"]["read"], "task_vector")["token"]
    assert (tokens.shape, tokens.dtype) == ((50, DEEPEST), torch.long)
    file = io.BytesIO()
    torch.save({"result": {"value": large, "dtype": "bfloat16", "device": "a GPU"}}, file)
    sent = zstandard.ZstdCompressor(level=SERVER_LEVEL).compress(file.getvalue())
    assert LARGEST_RESULT / 2 < len(sent) < LARGEST_RESULT


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `client_memory` says."""
    folder = tmp_path_factory.mktemp("checkpoints")
    shapes = {
        "small": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 8},
        "large": {"hidden_size": 16384, "num_hidden_layers": DEEP, "num_attention_heads": 128},
    }
    for name, shape in shapes.items():
        config = LlamaConfig(
            **shape,
            intermediate_size=53248,
            num_key_value_heads=8,
            vocab_size=VOCABULARY,
            architectures=["LlamaForCausalLM"],
        )
        config.save_pretrained(folder / name)
        tiny_models.tokenizer().save_pretrained(folder / name)
    return said_by(client_memory.__name__, str(folder / "small"), str(folder / "large"))


def said_by(module: str, *arguments: str) -> dict[str, Any]:
    """The JSON object that a module prints last, run in a process of its own."""
    environment = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = ran("-m", module, *arguments, environment=environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_client_of_a_large_model_holds_no_weights(used: dict[str, Any]) -> None:
    assert used["large"]["parameters"] > 130e9
    assert used["large"]["devices"] == ["meta"]


def test_a_client_of_a_large_model_needs_little_memory(used: dict[str, Any]) -> None:
    small, large = used["small"]["peak_mb"], used["large"]["peak_mb"]
    assert large - small < LARGEST_GROWTH_MB
    assert large < LARGEST_CLIENT_MB


def test_a_result_takes_three_times_its_vectors_to_receive() -> None:
    """1,155 MB for the 413 of the deepest model; a result of a tenth is enough to see it."""
    found = said_by(result_memory.__name__, "100", "25", "8192")
    assert found["vectors_mb"] == 41
    assert found["sent_mb"] < found["vectors_mb"]
    assert found["peak_mb"] - found["before_mb"] < 3.5 * found["vectors_mb"]
