"""Replay of the authors' own code: the same effects, heads, vector and answers on its prompts."""

import copy
from typing import Any

import pytest

from benchmarks.prompt_files import read_prompts
from benchmarks.replay_function_vectors import TOLERANCE, replay
from tests.helpers.commands import ROOT
from tests.helpers.embedded import needs_embedded
from tvsight.errors import UsageError
from tvsight.models import EMBEDDED
from tvsight.models.loading import Model, load

FILE = ROOT / "tests" / "data" / "function_vectors" / "country_capital.json"

pytestmark = [needs_embedded, pytest.mark.slow]


@pytest.fixture(scope="module")
def embedded_model() -> Model:
    return load(EMBEDDED, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return read_prompts(FILE)


def test_everything_is_as_the_authors_code_found_it(
    embedded_model: Model, content: dict[str, Any]
) -> None:
    compared = {one.name: one for one in replay(embedded_model, content)}
    assert {name: one.equal for name, one in compared.items()} == {
        "Effect of a head on a prompt": 5 * 18 * 4,
        "Heads of largest mean effect, in order": 10,
        "Entry of the vector": 640,
        "Answer without the vector": 12,
        **{f"Answer with it after block {block}": 12 for block in (6, 9, 11)},
    }
    assert all(one.equal == one.compared for one in compared.values())
    for name in ("Effect of a head on a prompt", "Entry of the vector"):
        assert compared[name].difference < TOLERANCE


def test_an_answer_that_is_a_part_of_a_token_is_refused(
    embedded_model: Model, content: dict[str, Any]
) -> None:
    other = copy.deepcopy(content)
    other["zero_shot"][0] |= {"prompt": "Q: Fran", "answer": "ce"}
    with pytest.raises(UsageError, match=r"'ce' begins with token .* with no token of its own"):
        replay(embedded_model, other)
