from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from tests.helpers.method_prompts import (
    EPISODES,
    Split,
    dummies,
    few_shot,
    method_prompts,
    with_added,
)
from tests.helpers.reads import TOLERANCE, answers_of, assert_answered, where
from tests.helpers.reference import Answer
from tests.helpers.reference_heads import HeadsReference
from tests.helpers.tiny_models import DEPTH, HEADS, WIDTH
from tvsight.errors import MeasurementError
from tvsight.execution.here import run
from tvsight.experiments.function_vectors.measure import (
    Comparison,
    ExtractedHeads,
    make_vectors,
    measure,
)
from tvsight.experiments.function_vectors.settings import OwnAndOthers
from tvsight.experiments.function_vectors.settings import measure as measure_settings
from tvsight.models.loading import Model, load
from tvsight.prompts.tokens import PromptTokens
from tvsight.protocol.causal_effects import measure_effects
from tvsight.protocol.conditions import Read, at

CONTEXTS = ("zero_shot", "shuffled")
SWEPT = {
    "zero_shot": ("function_vector", "raw_vector"),
    "shuffled": ("function_vector", "task_vector", "averaged_vector", "mean_state"),
}
"""The procedures of each context that have a block of their own."""


APPLIED = [
    *(("function_vector", "own"), ("function_vector", "others")),
    *(("own_mean", None), ("mean_state", None)),
]
EVERY = [(layer, head) for layer in range(DEPTH) for head in range(HEADS)]


class Case(NamedTuple):
    """A model, the same in plain PyTorch, prompts, and means and rankings of three tasks."""

    model: Model
    reference: HeadsReference
    prompts: Split
    extracted: ExtractedHeads


@pytest.fixture(scope="module", params=["qwen2", "gemma3"])
def case(request: pytest.FixtureRequest, tiny_checkpoint: Callable[[str], Path]) -> Case:
    checkpoint = tiny_checkpoint(request.param)
    model = load(str(checkpoint), device="cpu")
    generator = torch.Generator().manual_seed(0)
    shape = (3, DEPTH, HEADS, model.decoder.attention.head_width)
    orders = [torch.randperm(len(EVERY), generator=generator).tolist() for _ in range(3)]
    extracted: ExtractedHeads = {
        "means": 2 * torch.randn(shape, generator=generator),
        "ranking": [[EVERY[place] for place in order] for order in orders],
        "own": 1,
        "counts": [1, 3, 5],
        "heads": 3,
        "random_heads": [EVERY[2:5], EVERY[9:12]],
        "seed": 7,
    }
    assert model.decoder.width == WIDTH
    return Case(model, HeadsReference(checkpoint), method_prompts(model), extracted)


def expected_vectors(case: Case) -> dict[str, Tensor]:
    """The vectors that are one per task, from the weights of the projections."""
    means, own = case.extracted["means"], case.extracted["own"]
    ranking = case.extracted["ranking"][own]

    def total(of_task: Tensor, heads: Sequence[tuple[int, int]], normalised: bool) -> Tensor:
        written = case.reference.contributions(of_task, normalised)
        return torch.stack([written[layer, head] for layer, head in heads]).sum(dim=0)

    vector = total(means[own], ranking[:3], True)
    drawn = torch.randn(WIDTH, generator=torch.Generator().manual_seed(case.extracted["seed"]))
    return {
        "function_vector": vector,
        "raw_vector": total(means[own], ranking[:3], False),
        "bottom_heads": total(means[own], ranking[-3:], True),
        "random_addition": drawn * vector.norm() / drawn.norm(),
        **{f"curve {n}": total(means[own], ranking[:n], True) for n in case.extracted["counts"]},
        **{
            f"draw {number}": total(means[own], heads, True)
            for number, heads in enumerate(case.extracted["random_heads"])
        },
        **{
            f"other {task}": total(means[task], case.extracted["ranking"][task][:3], True)
            for task in (0, 2)
        },
    }


@pytest.fixture(scope="module")
def vectors(case: Case) -> dict[str, Tensor]:
    return expected_vectors(case)


@pytest.fixture(scope="module")
def measured(case: Case) -> Comparison:
    return run(case.model.decoder, measure, *case.prompts, case.extracted)


def test_vectors_are_sums_of_what_heads_write(case: Case, vectors: dict[str, Tensor]) -> None:
    made, every = run(case.model.decoder, make_vectors, case.extracted, EPISODES)
    found = {"other 0": every[0], "other 2": every[2], "curve 3": every[1]}
    for one in made[:-1]:
        name, heads, draw = one.procedure, one.labels["heads"], one.labels.get("draw")
        name = f"curve {heads}" if heads != 3 else name if draw is None else f"draw {draw}"
        found[name] = one.vectors
    assert set(found) == set(vectors)
    turns = torch.stack([every[0], every[2]] * (EPISODES // 2))
    torch.testing.assert_close(made[-1].vectors[:, 0], turns)
    for name, vector in vectors.items():
        torch.testing.assert_close(found[name], vector, atol=1e-3, rtol=1e-3)
    same = bool(torch.allclose(found["raw_vector"], found["function_vector"], atol=1e-4))
    assert same is (case.reference.kind == "qwen2")


def extracted_from(case: Case, tokens: PromptTokens) -> dict[str, Tensor]:
    """The vectors of the other methods for the episodes of a split, `[episodes, depth, width]`,
    from prompts with the right labels; the mean state is that of dev."""
    own = torch.stack(
        [
            torch.stack([case.reference.residual_streams(prompt) for prompt in prompts]).mean(dim=0)
            for prompts in dummies(tokens)
        ]
    )
    of_dev = [case.reference.residual_streams(prompt) for prompt in few_shot(case.prompts.dev)]
    return {
        "task_vector": own,
        "averaged_vector": torch.stack([own[others].mean(dim=0) for others in tokens["others"]]),
        "mean_state": torch.stack(of_dev).mean(dim=0).expand(own.shape),
    }


def answers_with(
    case: Case, name: str, tokens: PromptTokens, context: str, block: int, vector: Tensor
) -> list[Answer]:
    """The answers of a split with a vector of a procedure after a block.

    Args:
        vector: `[width]`, or `[episodes, depth, width]` for a method of `extracted_from`.
    """
    prompts = tokens["zero_shot"] if context == "zero_shot" else tokens["shuffled"]
    of_episodes = vector.expand(EPISODES, DEPTH, WIDTH)[:, block]
    if name in ("task_vector", "averaged_vector"):  # written over
        pairs = zip(prompts, of_episodes, strict=True)
        return [case.reference.answer(prompt, block, one) for prompt, one in pairs]
    return [
        with_added(case.reference, prompt, block, one)
        for prompt, one in zip(prompts, of_episodes, strict=True)
    ]


def chosen(measured: Comparison, context: str, name: str, **labels: int) -> Read:
    """A vector on test after the block that was chosen on dev."""
    if name in ("function_vector", "raw_vector"):
        labels = {"heads": 3, **labels}
    (found,) = where(measured["test"], name, context=context, layer_rule="dev", **labels)
    return found


@pytest.mark.parametrize("context", CONTEXTS)
def test_each_vector_is_applied_after_every_block_on_dev_and_after_its_own_best_on_test(
    case: Case, vectors: dict[str, Tensor], measured: Comparison, context: str
) -> None:
    dev, test = case.prompts
    of_dev = [one for one in measured["dev"] if one["labels"]["context"] == context]
    assert {one["procedure"] for one in of_dev} == {"baseline", *SWEPT[context]}
    for split, tokens in (("dev", dev), ("test", test)):
        prompts = tokens["zero_shot"] if context == "zero_shot" else tokens["shuffled"]
        plain = [case.reference.answer(prompt) for prompt in prompts]
        read = answers_of(measured[split], "baseline", context=context)
        assert_answered(case.reference, read, plain, tokens)
    on_dev, on_test = (vectors | extracted_from(case, tokens) for tokens in (dev, test))
    for name in SWEPT[context]:
        correct = []
        for block in range(DEPTH):
            expected = answers_with(case, name, dev, context, block, on_dev[name])
            assert_answered(case.reference, at(answers_of(of_dev, name), block), expected, dev)
            accepted = zip(expected, dev["accepted"], strict=True)
            correct.append(sum(one.token in tokens for one, tokens in accepted))
        tested = chosen(measured, context, name)
        (layer,) = tested["blocks"]
        assert layer == correct.index(max(correct)), name
        expected = answers_with(case, name, test, context, layer, on_test[name])
        assert_answered(case.reference, at(tested["answers"], 0), expected, test)


def test_the_raw_sum_has_a_block_of_its_own(case: Case, measured: Comparison) -> None:
    blocks = [chosen(measured, "zero_shot", name)["blocks"] for name in SWEPT["zero_shot"]]
    assert (blocks[0] != blocks[1]) is (case.reference.kind != "qwen2"), blocks


def test_test_has_every_control_after_the_chosen_block(
    case: Case, vectors: dict[str, Tensor], measured: Comparison
) -> None:
    test = case.prompts.test
    prompts = test["zero_shot"]
    (layer,) = chosen(measured, "zero_shot", "function_vector")["blocks"] or []

    def check(read: Read, of_episodes: list[Tensor], block: int = layer) -> None:
        assert read["blocks"] == [block]
        expected = [
            with_added(case.reference, prompt, block, vector)
            for prompt, vector in zip(prompts, of_episodes, strict=True)
        ]
        assert_answered(case.reference, at(read["answers"], 0), expected, test)

    of_test = [one for one in measured["test"] if one["labels"]["context"] == "zero_shot"]
    single = ("bottom_heads", "random_addition")
    further = ("baseline", "other_function_vector", "random_heads")
    assert {one["procedure"] for one in of_test} == {*further, *SWEPT["zero_shot"], *single}
    for name in ("function_vector", *single):
        check(chosen(measured, "zero_shot", name), [vectors[name]] * EPISODES)
    turns = [vectors["other 0" if number % 2 == 0 else "other 2"] for number in range(EPISODES)]
    check(chosen(measured, "zero_shot", "other_function_vector"), turns)
    for draw in range(2):
        read = chosen(measured, "zero_shot", "random_heads", draw=draw)
        check(read, [vectors[f"draw {draw}"]] * EPISODES)
    assert len(where(of_test, "random_heads")) == 2
    for count in case.extracted["counts"]:
        read = chosen(measured, "zero_shot", "function_vector", heads=count)
        check(read, [vectors[f"curve {count}"]] * EPISODES)
    (third,) = where(of_test, "function_vector", layer_rule="third")
    check(third, [vectors["function_vector"]] * EPISODES, DEPTH // 3)


def test_shuffled_prompts_have_the_methods_and_no_controls(
    case: Case, vectors: dict[str, Tensor], measured: Comparison
) -> None:
    test = case.prompts.test
    of_test = [one for one in measured["test"] if one["labels"]["context"] == "shuffled"]
    assert {one["procedure"] for one in of_test} == {"baseline", *SWEPT["shuffled"]}
    assert len(where(of_test, "function_vector")) == 2
    third = DEPTH // 3
    expected = answers_with(
        case, "function_vector", test, "shuffled", third, vectors["function_vector"]
    )
    (read,) = where(of_test, "function_vector", layer_rule="third")
    assert_answered(case.reference, at(read["answers"], 0), expected, test)


def test_lengths_are_those_of_the_vectors(vectors: dict[str, Tensor], measured: Comparison) -> None:
    assert measured["finite"] is True
    lengths = measured["norms"]
    for name, length in lengths.items():
        assert length == pytest.approx(float(vectors[name].norm()), rel=1e-3)
    assert lengths["random_addition"] == pytest.approx(lengths["function_vector"], rel=1e-5)


def test_without_other_tasks_the_rest_is_measured(case: Case) -> None:
    extracted = case.extracted
    own = {"own": 0, "means": extracted["means"][1:2], "ranking": extracted["ranking"][1:2]}
    alone = {**extracted, **own}
    found = run(case.model.decoder, measure, *case.prompts, alone)
    assert where(found["test"], "other_function_vector") == []


def test_effects_of_the_first_prompts_come_with_the_means(case: Case) -> None:
    dev = case.prompts.dev
    found = run(case.model.decoder, measure_effects, dev)
    states = torch.stack([case.reference.last_heads(prompt) for prompt in few_shot(dev)])
    means = states.mean(dim=0)
    torch.testing.assert_close(found["means"], means, atol=1e-4, rtol=1e-4)
    assert found["effect"].shape == (EPISODES, DEPTH, HEADS)
    prompt, token = dev["shuffled"][1], dev["expected"][1]
    before = case.reference.answer(prompt).log_probabilities[token]
    assert float(found["probability"][1]) == pytest.approx(float(before.exp()), abs=1e-5)
    after = case.reference.answer_with(prompt, [(2, 3)], means).log_probabilities[token]
    effect = float(found["effect"][1, 2, 3])
    assert effect == pytest.approx(float(after.exp() - before.exp()), abs=1e-6)
    assert float(found["log_effect"][1, 2, 3]) == pytest.approx(
        float(after - before), abs=TOLERANCE
    )


def test_effects_of_solved_episodes_leave_out_the_others(case: Case) -> None:
    dev = case.prompts.dev
    answers = [case.reference.answer(prompt).token for prompt in few_shot(dev)]
    accepted = [[answers[0]], [answers[1] + 1], [answers[2]], [answers[3] + 1]]
    asked = dev | {"accepted": accepted}
    found = run(case.model.decoder, measure_effects, asked, True, remote="local")
    assert found["episodes"] == [0, 2]
    states = [case.reference.last_heads(few_shot(dev)[episode]) for episode in (0, 2)]
    means = torch.stack(states).mean(dim=0)
    torch.testing.assert_close(found["means"], means, atol=1e-4, rtol=1e-4)
    prompt, token = dev["shuffled"][2], dev["expected"][2]
    before = case.reference.answer(prompt).log_probabilities[token].exp()
    assert float(found["probability"][1]) == pytest.approx(float(before), abs=1e-5)
    after = case.reference.answer_with(prompt, [(2, 3)], means).log_probabilities[token].exp()
    assert float(found["effect"][1, 2, 3]) == pytest.approx(float(after - before), abs=1e-6)

    with pytest.raises(MeasurementError, match="answers no dev query right"):
        run(case.model.decoder, measure_effects, dev | {"accepted": [[]] * EPISODES}, True)


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
