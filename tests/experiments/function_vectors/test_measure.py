from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from tests.helpers.function_vector_case import Case, extracted_from
from tests.helpers.method_prompts import EPISODES, with_added
from tests.helpers.reads import answers_of, assert_answered, where
from tests.helpers.reference import Answer
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.execution.here import run
from tvsight.experiments.function_vectors.measure import Comparison, make_vectors, measure
from tvsight.prompts.tokens import PromptTokens
from tvsight.protocol.conditions import Read, at

CONTEXTS = ("zero_shot", "shuffled")
SWEPT = {
    "zero_shot": ("function_vector", "raw_vector"),
    "shuffled": ("function_vector", "task_vector", "averaged_vector", "mean_state"),
}
"""The procedures of each context that have a block of their own."""


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
