"""The agreement of half precision with float32 counts what it says."""

from typing import Any, cast

import torch

from benchmarks.agreement import DECIDED, Agreement, agreement, report
from benchmarks.models import random_prompts
from tests.helpers.reads import answers_of
from tests.helpers.tiny_models import RANDOM_SHAPE
from tvsight.execution import here
from tvsight.models.random import random_llama
from tvsight.protocol.measure import Comparison, measure

PROMPTS: Any = [({}, {"accepted": [[1], [2, 3], [4], [5]]})] * 2


def comparison(layer: int, **tokens: list[int]) -> Comparison:
    margin = torch.tensor([DECIDED + 0.01, DECIDED - 0.01, 5.0, 0.0])
    read = [
        {"procedure": name, "answers": {"token": torch.tensor(of), "margin": margin}}
        for name, of in tokens.items()
    ]
    found = {"layers": {"task_vector": layer}, "test": {"read": read}}
    return cast(Comparison, found)


def test_answers_accuracies_and_blocks_are_compared() -> None:
    reference = [comparison(3, icl=[1, 2, 4, 5], baseline=[9, 9, 9, 9])] * 2
    measured = [
        # Row 1 stays right with another answer, row 3 becomes wrong; both are undecided.
        comparison(3, icl=[1, 3, 4, 8], baseline=[9, 9, 9, 9]),
        # Row 2 is decided, and becomes wrong.
        comparison(2, icl=[1, 2, 7, 5], baseline=[1, 9, 9, 9]),
    ]
    assert agreement(PROMPTS, measured, reference) == Agreement(
        answers=16,
        same=12,
        decided=8,
        decided_same=6,
        largest_change=0.25,
        largest_mean_change=0.25,
        moved=1,
    )


def test_changes_of_opposite_sign_cancel_in_the_mean() -> None:
    reference = [comparison(0, icl=[1, 9, 9, 9]), comparison(0, icl=[1, 2, 9, 9])]
    measured = [comparison(0, icl=[1, 2, 9, 9]), comparison(0, icl=[1, 9, 9, 9])]
    found = agreement(PROMPTS, measured, reference)
    assert found.largest_change == 0.25
    assert found.largest_mean_change == 0


def test_the_same_answers_agree_wholly() -> None:
    reference = [comparison(0, icl=[1, 9, 9, 9])] * 2
    assert str(agreement(PROMPTS, reference, reference)) == (
        "test answers as in float32: 8 of 8 (100.0%); of those with a margin over 0.25: 4 of 4 "
        "(100.0%); largest change of a test accuracy 0.00, of a mean over tasks 0.000; vectors "
        "with another block: 0"
    )


def test_the_report_measures_the_reference_itself() -> None:
    torch.manual_seed(0)
    decoder = random_llama(RANDOM_SHAPE, "cpu", torch.float32)
    prompts = list(random_prompts(RANDOM_SHAPE["vocab_size"], tasks=1, per_split=10))
    measured = [here.run(decoder, measure, *pair) for pair in prompts]
    answers_of(measured[0]["test"]["read"], "icl")["token"][:3] += 1
    lines: list[str] = []
    report(lambda: decoder, prompts, measured, 1e-9, lines.append)
    assert lines[0].startswith("float32, measured once: ")
    assert "37 of 40" in lines[1]
