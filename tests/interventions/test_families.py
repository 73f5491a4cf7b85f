"""Every architecture family, measured by tvsight and by an independent reference."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from tests.helpers import reference
from tests.helpers.tiny_models import DEPTH, FAMILIES, WORDS, configuration, tokenizer
from tvsight import execution
from tvsight.errors import UsageError
from tvsight.experiments.main_results import measure as main_results
from tvsight.interventions import application, learning
from tvsight.interventions import traces as interventions
from tvsight.interventions.batching import padded
from tvsight.models.loading import Model, load
from tvsight.prompts import Episode, PromptTokens, template, tokenise
from tvsight.prompts.episodes import Split

SHOTS, DUMMY_QUERIES, EPISODES = 3, 2, 6
TOLERANCE = 1e-4
"""Of vectors, log-probabilities, and the margin below which an answer is undecided."""
NO_OP_TOLERANCE = 1e-5
EMPTY: list[int] = []
ONE_LAYER, ALL_LAYERS = 1, 1024
"""Rows per forward that keep the layers of a sweep apart, or put them together."""

Checkpoints = Callable[[str], Path]


class Measured(NamedTuple):
    """One family, measured twice."""

    found: dict[str, Any]
    wanted: reference.Measurement
    dev: PromptTokens
    test: PromptTokens


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(family: str, tiny_checkpoint: Checkpoints) -> Model:
    return load(str(tiny_checkpoint(family)), device="cpu")


@pytest.fixture(scope="module")
def measured(family: str, model: Model, tiny_checkpoint: Checkpoints) -> Measured:
    dev, test = token_ids(model, "dev"), token_ids(model, "test")
    found = execution.run(model.decoder, main_results.measure, dev, test)
    wanted = reference.measure(
        reference.Reference(tiny_checkpoint(family)),
        complete_prompts(dev),
        complete_prompts(test),
        dev["others"],
        test["others"],
    )
    return Measured(found, wanted, dev, test)


def test_prompts_are_padded_on_both_sides(
    tiny_checkpoint: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    padded_sides = set()

    def spy(prompts: Sequence[list[int]], side: str) -> tuple[Tensor, Tensor]:
        ids, mask = padded(prompts, side)
        if not mask.all():
            padded_sides.add(side)
        return ids, mask

    monkeypatch.setattr(interventions, "padded", spy)
    model = load(str(tiny_checkpoint("llama")), device="cpu")
    tokens = token_ids(model, "dev")
    learning.last_states(model.decoder, tokens["shared"], tokens["dummies"])
    assert padded_sides == {"left", "right"}


def test_task_vectors_are_the_residual_streams_of_the_reference(
    model: Model, measured: Measured
) -> None:
    vectors = [
        learning.task_vectors(
            learning.last_states(model.decoder, tokens["shared"], tokens["dummies"])
        )
        for tokens in (measured.dev, measured.test)
    ]
    assert_close(torch.cat(vectors), measured.wanted.vectors)
    for split, exact in zip(("dev", "test"), vectors, strict=True):
        stored = measured.found[split]["vectors"]
        assert stored.dtype == torch.half
        # Which rows share a forward sways the last bits, and with them a rounding to half.
        torch.testing.assert_close(stored.float(), exact, rtol=2**-10, atol=TOLERANCE)


def test_answers_without_a_vector_are_those_of_the_reference(measured: Measured) -> None:
    found, wanted = measured.found, measured.wanted
    assert_same_answers(found["dev"]["baseline"], wanted.dev_baseline, measured.dev["expected"])
    assert_same_answers(found["test"]["baseline"], wanted.baseline, measured.test["expected"])
    assert_same_answers(found["test"]["icl"], wanted.icl, measured.test["expected"])


@pytest.mark.parametrize("procedure", main_results.VECTOR_PROCEDURES)
def test_the_layer_sweep_is_that_of_the_reference(measured: Measured, procedure: str) -> None:
    assert_same_sweep(measured, measured.found["dev"]["sweep"][procedure], procedure)


@pytest.mark.parametrize("rows_per_forward", [ONE_LAYER, ALL_LAYERS])
def test_the_sweep_does_not_depend_on_which_layers_share_a_forward(
    rows_per_forward: int, model: Model, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interventions, "row_budget", lambda device: rows_per_forward)
    found = execution.run(model.decoder, main_results.measure_dev, measured.dev)
    assert_same_sweep(measured, found["sweep"]["task_vector"], "task_vector")


@pytest.mark.parametrize("procedure", main_results.VECTOR_PROCEDURES)
def test_the_chosen_layer_and_its_test_answers_are_those_of_the_reference(
    measured: Measured, procedure: str
) -> None:
    wanted = getattr(measured.wanted, procedure)
    assert measured.found["layers"][procedure] == wanted.layer
    found = measured.found["test"][procedure]
    assert_same_answers(found, wanted.test, measured.test["expected"])


def test_answers_vary_so_that_a_wrong_one_shows(measured: Measured) -> None:
    wanted = measured.wanted
    without_vector = [*wanted.dev_baseline, *wanted.baseline, *wanted.icl]
    assert len({answer.token for answer in without_vector}) > 3
    assert len({answer.token for row in wanted.task_vector.sweep for answer in row}) > 3


def test_sharing_a_prefix_changes_no_state(model: Model) -> None:
    tokens = token_ids(model, "test")
    several = [[*d, q] for d, q in zip(tokens["dummies"], tokens["query"], strict=True)]
    complete = [
        [prefix + continuation for continuation in continuations]
        for prefix, continuations in zip(tokens["shared"], several, strict=True)
    ]
    shared = learning.last_states(model.decoder, tokens["shared"], several)
    plain = learning.last_states(model.decoder, [EMPTY] * EPISODES, complete)
    for of_shared, of_plain in zip(shared, plain, strict=True):
        assert_close(of_shared, of_plain)


@pytest.mark.parametrize("rows_per_forward", [ONE_LAYER, ALL_LAYERS])
@pytest.mark.parametrize("name", ["gpt2", "gemma3"])
def test_writing_back_the_state_that_was_read_changes_nothing(
    name: str,
    rows_per_forward: int,
    tiny_checkpoint: Checkpoints,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interventions, "row_budget", lambda device: rows_per_forward)
    model = load(str(tiny_checkpoint(name)), device="cpu")
    decoder, prompts = model.decoder, token_ids(model, "test")["zero_shot"]
    cached = application.cache_prompts(decoder, prompts)
    unpatched = application.unpatched_states(decoder, cached)
    read = learning.last_states(
        decoder, [prompt[:-1] for prompt in prompts], [[prompt[-1:]] for prompt in prompts]
    )
    places = [(row, layer) for layer in range(DEPTH) for row in range(EPISODES)]
    rows, layers = ([place[axis] for place in places] for axis in (0, 1))
    own = torch.stack([read[row][0, layer] for row, layer in places])
    patched = application.apply_vectors(decoder, cached, rows, layers, own)
    assert_close(patched, unpatched[rows, -1], NO_OP_TOLERANCE)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("T5Config", "T5Config is an encoder-decoder"),
        ("BartConfig", "BartConfig is an encoder-decoder"),
        ("XLNetConfig", "XLNetLMHeadModel"),
        ("MambaConfig", "MambaForCausalLM"),
    ],
)
def test_an_architecture_without_a_standard_view_is_refused_by_name(
    config: str, named: str, tmp_path: Path
) -> None:
    directory = tmp_path / "checkpoint"
    configuration(config, num_hidden_layers=1).save_pretrained(directory)
    tokenizer().save_pretrained(directory)
    with pytest.raises(UsageError, match=named):
        load(str(directory), device="cpu")


def sample(split: Split) -> list[Episode]:
    """Episodes whose inputs are 1 to 4 words, of which query and dummy queries may share some.

    The last episode asks the first one's query after other demonstrations.
    """
    asked = [_inputs(random.Random(f"{split}/{index}"), index % 3) for index in range(EPISODES - 1)]
    asked.append(asked[0])
    episodes = []
    for index, (query, *dummies) in enumerate(asked):
        rng = random.Random(f"{split}/{index}/demonstrations")
        demonstrations = [(_phrase(rng, rng.randint(1, 4)), _phrase(rng, 1)) for _ in range(SHOTS)]
        accepted = (_phrase(rng, 1),)
        episodes.append(
            Episode("phrases", split, tuple(demonstrations), query, accepted, tuple(dummies))
        )
    return episodes


def token_ids(model: Model, split: Split) -> PromptTokens:
    """The prompts of a split. Half of the vocabulary counts as correct, drawn anew for each
    episode: a random model is right half of the time, so accuracy differs between layers."""
    tokens = tokenise(model, sample(split), "exact", template("example"))
    vocabulary = range(len(model.tokenizer))
    tokens["accepted"] = [
        random.Random(f"{split}/{index}/accepted").sample(vocabulary, len(vocabulary) // 2)
        for index in range(EPISODES)
    ]
    return tokens


def complete_prompts(tokens: PromptTokens) -> list[reference.Prompts]:
    """The same prompts, whole."""
    return [
        reference.Prompts(
            few_shot=tokens["shared"][index] + tokens["query"][index],
            dummies=[tokens["shared"][index] + dummy for dummy in tokens["dummies"][index]],
            zero_shot=tokens["zero_shot"][index],
            accepted=tokens["accepted"][index],
        )
        for index in range(EPISODES)
    ]


def assert_close(found: Tensor, wanted: Tensor, tolerance: float = TOLERANCE) -> None:
    torch.testing.assert_close(found, wanted, rtol=0, atol=tolerance)


def assert_same_sweep(measured: Measured, found: dict[str, Tensor], procedure: str) -> None:
    sweep = getattr(measured.wanted, procedure).sweep
    assert found["token"].shape == (EPISODES, DEPTH)
    for layer, wanted in enumerate(sweep):
        of_layer = {name: values[:, layer] for name, values in found.items()}
        assert_same_answers(of_layer, wanted, measured.dev["expected"])


def assert_same_answers(
    found: dict[str, Tensor], wanted: Sequence[reference.Answer], expected: Sequence[int]
) -> None:
    tokens = found["token"].tolist()
    assert len(tokens) == len(wanted)
    decided = [index for index, answer in enumerate(wanted) if answer.margin >= TOLERANCE]
    assert [tokens[i] for i in decided] == [wanted[i].token for i in decided]
    log_probabilities = [
        answer.log_probabilities[token] for answer, token in zip(wanted, expected, strict=True)
    ]
    assert_close(found["log_probability"], torch.stack(log_probabilities))
    assert_close(found["margin"], torch.tensor([answer.margin for answer in wanted]))


def _inputs(rng: random.Random, common: int) -> list[str]:
    """A query and dummy queries that begin with the same `common` words and then part."""
    words = rng.sample(WORDS, common + 1 + DUMMY_QUERIES)
    own = [[word, *rng.sample(WORDS, rng.randint(0, 1))] for word in words[common:]]
    return [" " + " ".join(words[:common] + of_input) for of_input in own]


def _phrase(rng: random.Random, words: int) -> str:
    return " " + " ".join(rng.sample(WORDS, words))
