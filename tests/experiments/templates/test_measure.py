import random
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
import torch

from tests.experiments.main_results.test_measure import half_accepted
from tests.helpers import reference
from tests.helpers.tiny_models import DEPTH
from tvsight.errors import MeasurementError
from tvsight.execution import Here, complete
from tvsight.experiments.templates import NAME as TEMPLATES
from tvsight.experiments.templates import measure as templates
from tvsight.experiments.templates.episodes import respelled
from tvsight.experiments.templates.measure import Variant, measure_templates, variants
from tvsight.interventions import application
from tvsight.interventions.decoder import Decoder
from tvsight.models.loading import Model, load
from tvsight.prompts import Episode, Template
from tvsight.storage.schemas import SCHEMAS

TEXTS = {"example": "example:{x}->{y}\n", "mine": "in {x} out {y};"}
SPACED = {"example": True, "mine": False}
MAIN, NUMBERS, STANDARD = "example", [1, 2, 3], 2
EPISODES, SHOTS = 6, 2
TOLERANCE = 1e-4
MEASURED = variants(list(TEXTS), MAIN, NUMBERS, STANDARD)


class Measured(NamedTuple):
    """A task, measured on a tiny model."""

    plain: list[Episode]
    foreign: list[tuple[str, ...]]
    rows: pd.DataFrame

    def of(self, variant: Variant) -> pd.DataFrame:
        found = self.rows[self.rows["procedure"] == "task_vector"]
        for column in ("extracted_under", "applied_under", "dummy_queries", "dummy_choice"):
            found = found[found[column] == getattr(variant, column)]
        return found


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Callable[[str], Path]) -> Model:
    return load(str(tiny_checkpoint("qwen2")), device="cpu")


@pytest.fixture(scope="module")
def hooked(tiny_checkpoint: Callable[[str], Path]) -> reference.Reference:
    return reference.Reference(tiny_checkpoint("qwen2"))


@pytest.fixture(scope="module")
def measured(model: Model) -> Measured:
    return run(model, Here())


def run(model: Model, place: Here) -> Measured:
    task, rng = half_accepted(), random.Random(1)
    plain, foreign = [], []
    for split in ("dev", "test"):
        for _ in range(EPISODES):
            query, *others = rng.sample(task.pairs, 1 + SHOTS + max(NUMBERS))
            demonstrations = tuple((p.input, p.answer) for p in others[:SHOTS])
            dummies = tuple(p.input for p in others[SHOTS:])
            plain.append(
                Episode(task.name, split, demonstrations, query.input, query.answers, dummies)
            )
            foreign.append(tuple(rng.sample(string.digits, STANDARD)))
    spelled = {
        name: [
            respelled(_with_dummies(episode, name, words), SPACED[name])
            for episode, words in zip(plain, foreign, strict=True)
        ]
        for name in TEXTS
    }
    named = {name: Template(text) for name, text in TEXTS.items()}
    steps = measure_templates(model, task, named, MAIN, spelled, MEASURED)
    return Measured(plain, foreign, complete(steps, model.decoder, place))


def _with_dummies(episode: Episode, name: str, foreign: tuple[str, ...]) -> Episode:
    own = episode.dummy_queries
    dummies = (*own, *foreign) if name == MAIN else own[:STANDARD]
    return Episode(
        episode.task,
        episode.split,
        episode.demonstrations,
        episode.query,
        episode.accepted,
        dummies,
    )


def zero_shot(name: str, given: str) -> str:
    space = " " if SPACED[name] else ""
    return TEXTS[name].split("{y}")[0].format(x=space + given)


def few_shot(name: str, episode: Episode, given: str) -> str:
    space = " " if SPACED[name] else ""
    shown = [TEXTS[name].format(x=space + x, y=space + y) for x, y in episode.demonstrations]
    return "".join(shown) + zero_shot(name, given)


def dummies_of(variant: Variant, episode: Episode, foreign: tuple[str, ...]) -> tuple[str, ...]:
    if variant.dummy_choice == "query":
        return (episode.query,)
    words = foreign if variant.dummy_choice == "foreign" else episode.dummy_queries
    return words[: variant.dummy_queries]


def test_what_is_measured_is_each_cell_once_and_each_choice_once() -> None:
    told = [variant[:4] for variant in MEASURED]
    assert told == [
        ("example", "example", 2, "task"),
        ("example", "mine", 2, "task"),
        ("mine", "example", 2, "task"),
        ("mine", "mine", 2, "task"),
        ("example", "example", 1, "task"),
        ("example", "example", 3, "task"),
        ("example", "example", 2, "foreign"),
        ("example", "example", 1, "query"),
    ]


@pytest.mark.parametrize("variant", MEASURED, ids=lambda variant: "-".join(map(str, variant[:4])))
def test_every_variant_is_that_of_the_reference(
    variant: Variant, measured: Measured, model: Model, hooked: reference.Reference
) -> None:
    tokenizer, space = model.tokenizer, " " if SPACED[variant.applied_under] else ""
    texts = [text.strip() for text in tokenizer.batch_decode([[i] for i in range(len(tokenizer))])]
    prompts: dict[str, list[reference.Prompts]] = {"dev": [], "test": []}
    first: dict[str, list[int]] = {"dev": [], "test": []}
    for episode, foreign in zip(measured.plain, measured.foreign, strict=True):
        asked = zero_shot(variant.applied_under, episode.query)
        dummies = [
            tokenizer(few_shot(variant.extracted_under, episode, given)).input_ids
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


def test_variants_differ_where_their_vectors_do(measured: Measured) -> None:
    found = {variant[:4]: measured.of(variant)["log_probability"].tolist() for variant in MEASURED}
    assert len({tuple(values) for values in found.values()}) == len(MEASURED)


def test_rows_have_the_columns_of_the_schema_and_the_spelling_of_the_main_template(
    measured: Measured,
) -> None:
    rows = measured.rows
    assert rows.dtypes.astype(str).to_dict() == SCHEMAS[TEMPLATES].columns
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
    again = run(model, Here(simulated=True)).rows
    columns = [name for name in again if name not in ("log_probability", "margin")]
    pd.testing.assert_frame_equal(again[columns], measured.rows[columns])


def test_a_patch_that_should_change_nothing_and_does_is_refused(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_vectors = application.apply_vectors

    def one_block_too_low(decoder: Decoder, prompts: Any, chosen: Any, layers: Any, v: Any) -> Any:
        return apply_vectors(decoder, prompts, chosen, [max(0, n - 1) for n in layers], v)

    monkeypatch.setattr(templates, "apply_vectors", one_block_too_low)
    with pytest.raises(MeasurementError, match="a no-op patch changed"):
        run(model, Here())
