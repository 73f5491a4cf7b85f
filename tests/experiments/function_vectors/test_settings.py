from itertools import product
from typing import Any

import torch
from torch import Tensor

from tests.helpers.function_vector_case import Case, extracted_from
from tests.helpers.method_prompts import with_added
from tests.helpers.reads import where
from tests.helpers.reference import Answer
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.execution.here import run
from tvsight.experiments.function_vectors.settings import OwnAndOthers
from tvsight.experiments.function_vectors.settings import measure as measure_settings
from tvsight.prompts.tokens import PromptTokens
from tvsight.protocol.conditions import at

APPLIED = [
    *(("function_vector", "own"), ("function_vector", "others")),
    *(("own_mean", None), ("mean_state", None)),
]


def test_settings_are_the_best_on_dev_of_a_search_that_is_the_same_for_every_vector(
    case: Case,
) -> None:
    dev, test = case.prompts
    means, ranking = case.extracted["means"][1], case.extracted["ranking"]
    known: OwnAndOthers = {
        **{"means": means, "ranking": {"own": ranking[1], "others": ranking[0]}},
        **{"counts": [1, 3], "factors": [1.0, 2.0], "fixed": 3},
    }
    found = run(case.model.decoder, measure_settings, dev, test, known)
    assert found["finite"]
    learned = extracted_from(case, dev)
    written = case.reference.contributions(means, True)

    def vector(name: str, heads_of: str | None, heads: int | None) -> Tensor:
        if heads_of is None:
            return learned["task_vector" if name == "own_mean" else name].mean(dim=0)
        chosen = known["ranking"][heads_of][:heads]
        return torch.stack([written[head] for head in chosen]).sum(dim=0).expand(DEPTH, WIDTH)

    def answers(tokens: PromptTokens, use: str, block: int, own: Tensor) -> list[Answer]:
        if use == "add":
            return [with_added(case.reference, of, block, own[block]) for of in tokens["zero_shot"]]
        return [case.reference.answer(of, block, own[block]) for of in tokens["zero_shot"]]

    def right(use: str, block: int, own: Tensor) -> int:
        pairs = zip(answers(dev, use, block, own), dev["accepted"], strict=True)
        return sum(one.token in accepted for one, accepted in pairs)

    for (name, heads_of), use in product(APPLIED, ("add", "overwrite")):
        sizes = known["counts"] if heads_of else [None]
        grid = [(size, factor) for size in sizes for factor in known["factors"]]
        start = (3 if heads_of else None, 1.0)

        def sweep(
            of: tuple[int | None, float], name: Any = name, heads_of: Any = heads_of, use: Any = use
        ) -> list[int]:
            own = of[1] * vector(name, heads_of, of[0])
            return [right(use, block, own) for block in range(DEPTH)]

        swept = {of: sweep(of) for of in {start, *grid}}
        first = swept[start].index(max(swept[start]))
        at_first = [swept[of][first] for of in grid]
        best = grid[at_first.index(max(at_first))]
        tuned = (best, swept[best].index(max(swept[best])))
        expected = {"fixed": (start, first), "tuned": tuned}
        if max(swept[best]) <= max(swept[start]):
            expected["tuned"] = expected["fixed"]
        for setting, ((size, factor), block) in expected.items():
            labels = {"operation": use, "heads_of": heads_of, "setting": setting}
            (read,) = where(found["test"], name, **labels)
            assert read["blocks"] == [block]
            assert (read["labels"]["heads"], read["labels"]["factor"]) == (size, factor)
            own = factor * vector(name, heads_of, size)
            tokens = [one.token for one in answers(test, use, block, own)]
            assert at(read["answers"], 0)["token"].tolist() == tokens
