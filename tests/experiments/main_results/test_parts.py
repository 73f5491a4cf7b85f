"""A cut of a long split into several jobs changes numbers by rounding, and nothing else."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import tvsight
from tests.helpers.commands import ROOT
from tests.helpers.completed import complete
from tests.helpers.tiny_models import DEPTH
from tvsight.models.random import TINY, random_llama
from tvsight.prompts import template, tokenise
from tvsight.protocol.central import in_parts

EPISODES, AT_MOST = 30, 20
WIDTH = 256
"""Wide enough for sums to be rounded otherwise in batches of another shape."""
SHAPE = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": DEPTH}
LOG_PROBABILITY_ATOL = 1e-5
"""As docs/remote.md and the help of --max-job-episodes say."""
VECTOR_RTOL = 1e-3
"""Of a vector's length."""


@pytest.fixture(scope="module")
def whole_and_cut(tiny_checkpoint: Callable[[str], Path]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same episodes on a random model, in one job and in four."""
    model = tvsight.load(str(tiny_checkpoint("llama")), device="cpu")
    found = tvsight.episodes(model, tvsight.task("country_capital"), count=EPISODES, shots=3)
    dev, test = (
        tokenise(model, [e for e in found if e.split == split], "exact", template("example"))
        for split in ("dev", "test")
    )
    decoder = random_llama({**TINY, **SHAPE, "vocab_size": model.decoder.vocabulary})
    whole, cut = (
        complete(in_parts(decoder, dev, test, True, most), decoder) for most in (None, AT_MOST)
    )
    return dict(leaves(whole)), dict(leaves(cut))


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of nested dictionaries, by its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{name}/{key}")
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from leaves(inner, f"{name}/{inner['procedure']}")
    else:
        yield name, value


def test_answers_and_chosen_blocks_are_the_same(whole_and_cut: Any) -> None:
    whole, cut = whole_and_cut
    assert whole.keys() == cut.keys()
    exact = [n for n in whole if n.endswith("/token") or n.startswith("/layers/")]
    assert len(exact) == 2 + 2 + 4 + 2  # on dev, its sweep, on test, the blocks
    for name in exact:
        torch.testing.assert_close(torch.as_tensor(cut[name]), torch.as_tensor(whole[name]))


def test_log_probabilities_and_vectors_agree_within_what_is_documented(whole_and_cut: Any) -> None:
    whole, cut = whole_and_cut
    names = [name for name in whole if name.endswith("/log_probability")]
    assert len(names) == 8
    for name in names:
        torch.testing.assert_close(cut[name], whole[name], rtol=0, atol=LOG_PROBABILITY_ATOL)
    for split in ("dev", "test"):
        before, after = (found[f"/{split}/vectors"].float() for found in whole_and_cut)
        assert before.shape == (EPISODES, DEPTH, WIDTH)
        assert bool(((after - before).norm(dim=-1) <= VECTOR_RTOL * before.norm(dim=-1)).all())


def test_what_is_documented_is_what_is_tested() -> None:
    said = " ".join((ROOT / "docs" / "remote.md").read_text().split())
    assert (
        f"log-probabilities agree within {LOG_PROBABILITY_ATOL:.0e}".replace("e-05", "e-5") in said
    )
    assert "within a thousandth of their length" in said
