"""Conflicting tasks on a tiny model, against hooks on the same weights."""

import random
import string
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch

from tests.helpers.completed import complete
from tests.helpers.misplaced import misplace
from tests.helpers.reference import Answer, Reference
from tests.helpers.reference_scores import gaps_and_divergences
from tests.helpers.tiny_models import DEPTH
from tvsight.config import RunConfig
from tvsight.errors import MeasurementError
from tvsight.execution.here import Here
from tvsight.experiments.conflicting_tasks import NAME
from tvsight.experiments.conflicting_tasks.episodes import Conflict
from tvsight.experiments.conflicting_tasks.request import ConflictingTasks
from tvsight.models.loading import Model
from tvsight.prompts import template
from tvsight.run.planning import read_plan
from tvsight.statistics.tests import best_better_than
from tvsight.storage.schemas import SCORE_TYPES, schema
from tvsight.tasks import Pair, Task

EPISODES = 12
EXAMPLE = template("example")
TOLERANCE = 1e-4
CHARACTERS = string.ascii_letters + string.punctuation
RULES = ("zero_shot", "conflict")


class Measured(NamedTuple):
    """A pair, measured on a tiny model, and what a reference answers."""

    conflicts: list[Conflict]
    rows: pd.DataFrame
    phases: list[str]
    answers: dict[tuple[str, str], list[Answer]]
    """By prompts and split: `zero_shot`, `conflict`, and `patched`, the few-shot ones of B."""
    swept: dict[tuple[str, str], list[list[Answer]]]
    """With the vector, after each block."""

    def of(self, split: str, procedure: str, **columns: str) -> pd.DataFrame:
        rows = self.rows
        where = (rows["split"] == split) & (rows["procedure"] == procedure)
        for name, value in columns.items():
            where &= rows[name] == value
        return rows[where]


def half_accepted(name: str, space: str, parity: int) -> Task:
    """A task that accepts some printable characters, and none that the other one accepts."""
    rng = random.Random(name)
    accepted = sorted(CHARACTERS)[parity::2]
    pairs = [
        Pair(space + x, tuple(dict.fromkeys(rng.sample(accepted, 35))))
        for x in string.ascii_lowercase
    ]
    return Task(name, "custom", "", "exact", tuple(pairs), "")


TASKS = half_accepted("one", " ", 0), half_accepted("two", "", 1)


@pytest.fixture(scope="module")
def pair(model: Model) -> ConflictingTasks:
    config = RunConfig(
        model=(model.source.location,),
        tasks="to_upper",
        shots=3,
        dummy_queries=2,
        episodes_per_split=EPISODES,
    )
    return ConflictingTasks(read_plan(config), {"task": "one→two"}, *TASKS)


@pytest.fixture(scope="module")
def measured(
    model: Model, pair: ConflictingTasks, tiny_checkpoint: Callable[[str], Path]
) -> Measured:
    conflicts, _ = pair.conflicts(model)
    phases: list[str] = []
    rows = complete(pair.steps(model), model.decoder, Here(phases.append)).rows
    hooked, ids = Reference(tiny_checkpoint("qwen2")), lambda text: model.tokenizer(text).input_ids
    answers, swept = {}, {}
    for split in ("dev", "test"):
        of_split = [c for c in conflicts if c.patched.split == split]
        vectors = []
        for c in of_split:
            shown, dummies = c.patched.demonstrations, c.patched.dummy_queries
            streams = [hooked.residual_streams(ids(EXAMPLE.few_shot(shown, d))) for d in dummies]
            vectors.append(torch.stack(streams).mean(dim=0))
        sides = [[c.demonstrated for c in of_split], [c.patched for c in of_split]]
        few_shot = [[EXAMPLE.few_shot(e.demonstrations, e.query) for e in of] for of in sides]
        zero_shot = [EXAMPLE.query(c.patched.query) for c in of_split]
        prompts = dict(
            zip(("conflict", "patched", "zero_shot"), [*few_shot, zero_shot], strict=True)
        )
        for name, texts in prompts.items():
            answers[name, split] = [hooked.answer(ids(text)) for text in texts]
            pairs = list(zip(map(ids, texts), vectors, strict=True))
            swept[name, split] = [
                [hooked.answer(p, b, v[b]) for p, v in pairs] for b in range(DEPTH)
            ]
    return Measured(conflicts, rows, phases, answers, swept)


def assert_answered(model: Model, rows: pd.DataFrame, wanted: list[Answer]) -> None:
    """Rows of one run, scored one way, hold what a reference answers."""
    assert rows["episode"].tolist() == list(range(len(wanted)))
    texts = model.vocabulary.texts
    for row, answer in zip(rows.itertuples(), wanted, strict=True):
        if answer.margin > TOLERANCE:
            assert row.predicted == texts[answer.token]
        (expected,) = model.tokenizer(row.expected, add_special_tokens=False).input_ids
        found = float(answer.log_probabilities[expected])
        assert row.log_probability == pytest.approx(found, abs=TOLERANCE)


def test_rows_have_the_columns_types_and_conditions_of_the_schema(measured: Measured) -> None:
    expected = schema(NAME)
    assert measured.rows.dtypes.astype(str).to_dict() == expected.columns_with(SCORE_TYPES)
    assert set(measured.rows["task"]) == {"one→two"}
    counts = measured.rows.groupby(["split", *expected.conditions], dropna=False).size()
    assert set(counts) == {EPISODES}
    # dev: baseline and its sweep once; icl and its sweep, and icl and two rules on test, twice
    assert len(counts) == (1 + DEPTH) + 2 * (1 + DEPTH) + 2 * 3
    assert measured.phases == ["dev conflicts", "test conflicts"]


@pytest.mark.parametrize("scored_as", ["demonstrations", "patched"])
def test_prompts_answer_what_the_reference_answers(
    model: Model, measured: Measured, scored_as: str
) -> None:
    for split in ("dev", "test"):
        asked = measured.of(split, "icl", scored_as=scored_as)
        assert_answered(model, asked, measured.answers["conflict", split])
    swept = measured.of("dev", "task_vector", scored_as=scored_as, layer_rule="conflict")
    for block, wanted in enumerate(measured.swept["conflict", "dev"]):
        assert_answered(model, swept[swept["layer"] == block], wanted)
    if scored_as == "patched":
        assert_answered(model, measured.of("dev", "baseline"), measured.answers["zero_shot", "dev"])
        swept = measured.of("dev", "task_vector", layer_rule="zero_shot")
        assert set(swept["scored_as"]) == {"patched"}
        for block, wanted in enumerate(measured.swept["zero_shot", "dev"]):
            assert_answered(model, swept[swept["layer"] == block], wanted)


@pytest.mark.parametrize("scored_as", ["demonstrations", "patched"])
def test_divergences_are_from_in_context_learning_of_the_task_that_is_scored(
    model: Model, measured: Measured, scored_as: str
) -> None:
    icl = measured.answers["conflict" if scored_as == "demonstrations" else "patched", "test"]
    rows = measured.of("test", "task_vector", scored_as=scored_as, layer_rule="conflict")
    (layer,) = rows["layer"].unique()
    texts = rows["expected"].tolist()
    expected = [model.tokenizer(text, add_special_tokens=False).input_ids[0] for text in texts]
    found = measured.swept["conflict", "test"][layer]
    both = [[one.log_probabilities for one in of] for of in (found, icl)]
    conflicts = [one for one in measured.conflicts if one.patched.split == "test"]
    side = "demonstrated" if scored_as == "demonstrations" else "patched"
    words = [{word.strip() for word in getattr(one, side).accepted} for one in conflicts]
    accepted = [
        [token for token, text in enumerate(model.vocabulary.texts) if text.strip() in right]
        for right in words
    ]
    gaps, divergences = gaps_and_divergences(*both, expected, accepted=accepted)
    assert rows["answer_gap"].tolist() == pytest.approx(gaps, abs=TOLERANCE)
    assert rows["icl_divergence"].tolist() == pytest.approx(divergences, abs=TOLERANCE)
    zero = measured.of("test", "icl", scored_as=scored_as)["icl_divergence"].max() == 0
    assert zero == (scored_as == "demonstrations")


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_tests_the_first_block_that_is_best_at_the_patched_task(
    model: Model, measured: Measured, rule: str
) -> None:
    dev = measured.of("dev", "task_vector", scored_as="patched", layer_rule=rule)
    by_layer = dev.groupby("layer")["correct"].sum()
    assert by_layer.index.tolist() == list(range(DEPTH))
    assert by_layer.nunique() > 1
    for scored_as in ("demonstrations", "patched"):
        asked = measured.of("test", "task_vector", scored_as=scored_as, layer_rule=rule)
        (layer,) = asked["layer"].unique()
        assert layer == by_layer.idxmax()
        assert_answered(model, asked, measured.swept["conflict", "test"][layer])


@pytest.mark.parametrize(("rule", "unpatched"), zip(RULES, ("baseline", "icl"), strict=True))
def test_a_block_is_identified_when_it_beats_the_same_prompts_without_a_vector(
    measured: Measured, rule: str, unpatched: str
) -> None:
    rule_rows = measured.rows[measured.rows["layer_rule"] == rule]
    (found,) = rule_rows["layer_identified"].unique()
    dev = measured.of("dev", "task_vector", scored_as="patched", layer_rule=rule)
    swept = [block_rows["correct"] for _, block_rows in dev.groupby("layer")]
    without = measured.of("dev", unpatched, scored_as="patched")
    p_value = best_better_than(np.transpose(swept), without["correct"], without["query"])
    assert found == (p_value < 0.05)


def test_each_way_of_scoring_asks_and_accepts_what_its_own_task_does(measured: Measured) -> None:
    rows = measured.rows
    for scored_as, side in (("demonstrations", "demonstrated"), ("patched", "patched")):
        for split in ("dev", "test"):
            episodes = [getattr(c, side) for c in measured.conflicts if c.patched.split == split]
            scored = rows[(rows["scored_as"] == scored_as) & (rows["split"] == split)]
            for row in scored.itertuples():
                episode = episodes[row.episode]
                assert (row.query, row.expected) == (episode.query, episode.accepted[0])
                accepted = {answer.strip() for answer in episode.accepted}
                assert row.correct == (row.predicted.strip() in accepted)
            assert 0 < scored["correct"].sum() < len(scored)
    both = rows.pivot_table(
        index=["split", "procedure", "layer_rule", "layer", "episode"],
        columns="scored_as",
        values="correct",
    )
    assert both.sum(axis=1).max() == 1


def test_a_patch_at_the_wrong_block_is_refused(
    model: Model, pair: ConflictingTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    misplace(monkeypatch)
    with pytest.raises(MeasurementError, match="a no-op patch changed"):
        complete(pair.steps(model), model.decoder)


def test_the_simulated_server_gives_the_same_rows(
    model: Model, pair: ConflictingTasks, measured: Measured
) -> None:
    simulated = complete(pair.steps(model), model.decoder, Here(simulated=True))
    pd.testing.assert_frame_equal(simulated.rows, measured.rows)
