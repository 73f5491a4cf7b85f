from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import torch

from tests.helpers import reference
from tests.helpers.completed import complete
from tests.helpers.half_accepted import half_accepted
from tests.helpers.misplaced import misplace
from tests.helpers.reference_scores import gaps_and_divergences
from tests.helpers.tiny_models import DEPTH
from tvsight.config import RunConfig
from tvsight.errors import MeasurementError
from tvsight.execution.here import Here
from tvsight.experiments.templates import NAME, request
from tvsight.experiments.templates.episodes import CommonPairs, foreign_queries, foreign_task
from tvsight.experiments.templates.measure import Variant, variants_of
from tvsight.models import ModelSource
from tvsight.models.loading import Model
from tvsight.prompts import Episode, UsablePairs, sample_episodes, template
from tvsight.prompts.episodes import Sampling
from tvsight.run.planning import Plan
from tvsight.storage.schemas import SCORE_TYPES, schema

MINE = "in {x} out {y};"
TEXTS = {"example": "example:{x}->{y}\n", MINE: MINE}
NAMES = list(TEXTS)
SPACED = {"example": True, MINE: False}
NUMBERS, STANDARD = [1, 2, 3], 2
EPISODES, SHOTS, SEED = 6, 2, 1
TOLERANCE = 1e-4
MEASURED = variants_of(len(NAMES), 0, NUMBERS, STANDARD)
TASK = half_accepted()
PAIRS = UsablePairs(TASK.pairs, False, len(TASK.pairs))


def named(variant: Variant) -> tuple[str, str, int, str]:
    """The columns that tell a variant's rows from others."""
    extracted, applied = NAMES[variant["extracted"]], NAMES[variant["applied"]]
    return extracted, applied, len(variant["members"]), variant["dummy_choice"]


class Measured(NamedTuple):
    """A task, measured on a tiny model."""

    plain: list[Episode]
    foreign: list[tuple[str, ...]]
    rows: pd.DataFrame

    def of(self, variant: Variant) -> pd.DataFrame:
        columns = ["extracted_under", "applied_under", "dummy_queries", "dummy_choice"]
        vectors = self.rows[self.rows["procedure"] == "task_vector"]
        return vectors[[tuple(row) == named(variant) for row in vectors[columns].to_numpy()]]


@pytest.fixture(scope="module")
def hooked(tiny_checkpoint: Callable[[str], Path]) -> reference.Reference:
    return reference.Reference(tiny_checkpoint("qwen2"))


@pytest.fixture(scope="module", autouse=True)
def _pairs_as_given() -> Iterator[None]:
    """All pairs survive; words are spaced under one template alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request, "common_pairs", lambda *_: CommonPairs(PAIRS, SPACED))
        yield


@pytest.fixture(scope="module")
def measured(model: Model) -> Measured:
    sampling = Sampling(shots=SHOTS, dummy_queries=max(NUMBERS), per_split=EPISODES, seed=SEED)
    plain = sample_episodes(TASK.name, PAIRS, sampling)
    foreign = foreign_queries(TASK, foreign_task(TASK), plain, STANDARD, SEED)
    return Measured(plain, foreign, run(model, Here()))


def run(model: Model, place: Here) -> pd.DataFrame:
    config = RunConfig(
        shots=SHOTS, dummy_queries=STANDARD, episodes_per_split=EPISODES, seed=(SEED,)
    )
    plan = Plan(config, template("example"), [TASK], {})
    source = ModelSource("directory", model.name, "")
    (wanted,) = request.requests(plan, source, NAMES, NUMBERS)
    return complete(wanted.steps(model), model.decoder, place).rows


def zero_shot(name: str, given: str) -> str:
    space = " " if SPACED[name] else ""
    return TEXTS[name].split("{y}")[0].format(x=space + given)


def few_shot(name: str, episode: Episode, given: str) -> str:
    space = " " if SPACED[name] else ""
    shown = [TEXTS[name].format(x=space + x, y=space + y) for x, y in episode.demonstrations]
    return "".join(shown) + zero_shot(name, given)


def dummies_of(variant: Variant, episode: Episode, foreign: tuple[str, ...]) -> tuple[str, ...]:
    _, _, count, choice = named(variant)
    words = {"query": (episode.query,), "foreign": foreign, "task": episode.dummy_queries}
    return words[choice][:count]


def test_what_is_measured_is_each_cell_once_and_each_choice_once() -> None:
    assert list(map(named, MEASURED)) == [
        ("example", "example", 2, "task"),
        ("example", MINE, 2, "task"),
        (MINE, "example", 2, "task"),
        (MINE, MINE, 2, "task"),
        ("example", "example", 1, "task"),
        ("example", "example", 3, "task"),
        ("example", "example", 2, "foreign"),
        ("example", "example", 1, "query"),
    ]


@pytest.mark.parametrize("variant", MEASURED, ids=lambda one: "-".join(map(str, named(one))))
def test_every_variant_is_that_of_the_reference(
    variant: Variant, measured: Measured, model: Model, hooked: reference.Reference
) -> None:
    extracted, applied, _, _ = named(variant)
    tokenizer, space = model.tokenizer, " " if SPACED[applied] else ""
    texts = [text.strip() for text in tokenizer.batch_decode([[i] for i in range(len(tokenizer))])]
    prompts: dict[str, list[reference.Prompts]] = {"dev": [], "test": []}
    first: dict[str, list[int]] = {"dev": [], "test": []}
    for episode, foreign in zip(measured.plain, measured.foreign, strict=True):
        asked = zero_shot(applied, episode.query)
        dummies = [
            tokenizer(few_shot(extracted, episode, given)).input_ids
            for given in dummies_of(variant, episode, foreign)
        ]
        bare = tokenizer(asked).input_ids
        accepted = [i for i, text in enumerate(texts) if text in episode.accepted]
        prompts[episode.split].append(reference.Prompts([], dummies, bare, accepted))
        answer = tokenizer(asked + space + episode.accepted[0]).input_ids
        first[episode.split].append(answer[len(bare)])
    vectors = {
        split: torch.stack([reference.task_vector(hooked, one) for one in of])
        for split, of in prompts.items()
    }
    wanted = reference.apply(hooked, prompts["dev"], prompts["test"], *vectors.values())
    rows = measured.of(variant)
    dev, test = (rows[rows["split"] == split] for split in ("dev", "test"))
    for block, answers in enumerate(wanted.sweep):
        assert_same(dev[dev["layer"] == block], answers, first["dev"], model)
    assert set(test["layer"]) == {wanted.layer}
    assert_same(test, wanted.test, first["test"], model)
    icl = [
        hooked.answer(tokenizer(few_shot(applied, episode, episode.query)).input_ids)
        for episode in measured.plain
        if episode.split == "test"
    ]
    distributions = [[one.log_probabilities for one in of] for of in (wanted.test, icl)]
    accepted = [one.accepted for one in prompts["test"]]
    gaps, divergences = gaps_and_divergences(*distributions, first["test"], accepted=accepted)
    assert test["answer_gap"].tolist() == pytest.approx(gaps, abs=TOLERANCE)
    assert test["icl_divergence"].tolist() == pytest.approx(divergences, abs=TOLERANCE)


@pytest.mark.parametrize("name", TEXTS)
def test_baseline_and_icl_are_those_of_the_reference_under_each_template(
    name: str, measured: Measured, model: Model, hooked: reference.Reference
) -> None:
    rows = measured.rows[(measured.rows["applied_under"] == name)]
    for split in ("dev", "test"):
        episodes = [episode for episode in measured.plain if episode.split == split]
        asked = {
            "baseline": [zero_shot(name, episode.query) for episode in episodes],
            "icl": [few_shot(name, episode, episode.query) for episode in episodes],
        }
        for procedure, texts in asked.items():
            found = rows[(rows["procedure"] == procedure) & (rows["split"] == split)]
            answers = [hooked.answer(model.tokenizer(text).input_ids) for text in texts]
            assert_same(found, answers, None, model)
            alike = found["icl_divergence"] == 0
            # Under `example` all answers begin with the token of a space.
            assert alike.all() == (procedure == "icl" or name == "example")


def assert_same(
    rows: pd.DataFrame, answers: list[reference.Answer], first: list[int] | None, model: Model
) -> None:
    assert rows["episode"].tolist() == list(range(EPISODES))
    for number, ((_, row), answer) in enumerate(zip(rows.iterrows(), answers, strict=True)):
        assert row["margin"] == pytest.approx(answer.margin, abs=TOLERANCE)
        if answer.margin > TOLERANCE:
            assert row["predicted"] == model.vocabulary.texts[answer.token]
        if first is not None:
            wanted = float(answer.log_probabilities[first[number]])
            assert row["log_probability"] == pytest.approx(wanted, abs=TOLERANCE)


def test_rows_have_the_columns_of_the_schema_and_the_spelling_of_the_main_template(
    measured: Measured,
) -> None:
    rows = measured.rows
    assert rows.dtypes.astype(str).to_dict() == schema(NAME).columns_with(SCORE_TYPES)
    patched = rows["procedure"] == "task_vector"
    for column in ("layer", "layer_identified", "extracted_under", "dummy_queries", "dummy_choice"):
        assert (rows[column].notna() == patched).all()
    for split in ("dev", "test"):
        episodes = [episode for episode in measured.plain if episode.split == split]
        for _, of in rows[rows["split"] == split].groupby(["applied_under", "procedure"]):
            asked = of.drop_duplicates("episode")
            assert asked["query"].tolist() == [f" {episode.query}" for episode in episodes]
            assert asked["expected"].tolist() == [f" {e.accepted[0]}" for e in episodes]
    assert len(rows) == EPISODES * (4 * len(TEXTS) + (DEPTH + 1) * len(MEASURED))


def test_a_simulated_server_gives_the_same_rows(measured: Measured, model: Model) -> None:
    again = run(model, Here(simulated=True))
    columns = [name for name in again if name not in ("log_probability", "margin")]
    pd.testing.assert_frame_equal(again[columns], measured.rows[columns])


def test_a_patch_that_should_change_nothing_and_does_is_refused(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    misplace(monkeypatch)
    with pytest.raises(MeasurementError, match="a no-op patch changed"):
        run(model, Here())
