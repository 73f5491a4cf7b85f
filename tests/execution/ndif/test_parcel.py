"""The bytes that are sent for a job, and its fingerprint."""

import random
from typing import Any

import nnsight
import pytest
import torch
import zstandard

from tests.helpers.tiny_llama import EXAMPLE, KEY
from tvsight.execution.jobs import Job
from tvsight.execution.ndif.parcel import digest, payload
from tvsight.models.loading import Model
from tvsight.models.random import TINY, random_llama
from tvsight.prompts import Episode, tokenise
from tvsight.protocol.measure import measure


def test_what_is_sent_holds_no_weights(model: Model, episodes: list[Episode]) -> None:
    job = Job(measure, (tokens_of(model, episodes), tokens_of(model, episodes), True))
    small, large = (random_llama(TINY | {"hidden_size": size}) for size in (16, 256))
    sizes = [len(payload(decoder, job)) for decoder in (small, large)]
    assert abs(sizes[0] - sizes[1]) < 100
    assert max(sizes) < 40_000  # the source of the protocol, and what it stands on
    content = zstandard.ZstdDecompressor().decompress(payload(small, job), 10_000_000)
    for weights in small.nn._module.parameters():
        if len(weights) == TINY["vocab_size"]:
            assert weights[0].numpy().tobytes() not in content


def test_what_is_sent_holds_the_code_and_no_key(
    model: Model, episodes: list[Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nnsight.CONFIG.API, "APIKEY", KEY)
    job = Job(measure, (tokens_of(model, episodes), tokens_of(model, episodes), True))
    content = zstandard.ZstdDecompressor().decompress(payload(random_llama(TINY), job), 10_000_000)
    for source in (b"def measure_dev(", b"def apply_vectors(", b"def best_layers("):
        assert source in content
    assert KEY.encode() not in content


def test_what_is_sent_is_refused_with_any_bit_flipped(
    model: Model, episodes: list[Episode]
) -> None:
    job = Job(measure, (tokens_of(model, episodes), tokens_of(model, episodes), True))
    sent = payload(random_llama(TINY), job)
    content = zstandard.ZstdDecompressor().decompress(sent)
    draw = random.Random(0)
    for position in draw.sample(range(8 * len(sent)), 600):
        flipped = bytearray(sent)
        flipped[position // 8] ^= 1 << position % 8
        try:
            found = zstandard.ZstdDecompressor().decompress(bytes(flipped), 10_000_000)
        except (zstandard.ZstdError, MemoryError):
            continue
        assert found == content


def test_what_stands_for_a_job_feels_every_number_that_it_brings() -> None:
    vectors = torch.arange(6.0).reshape(2, 3)
    changed = vectors.clone()
    changed[1, 2] += 1e-3
    given = [
        vectors,
        changed,
        vectors.half(),
        vectors.reshape(3, 2),
        vectors.bfloat16(),
        vectors[0],
    ]
    found = [digest(Job(measure, ({"means": tensor},))) for tensor in given]
    assert len(set(found)) == len(given)
    assert digest(Job(measure, ({"means": vectors.T.clone().T},))) == found[0]


def tokens_of(model: Model, episodes: list[Episode]) -> Any:
    return tokenise(model, episodes, "exact", EXAMPLE)
