import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from tests.helpers.completed import complete
from tests.helpers.example_rows import outcome_of, task_rows
from tests.helpers.half_accepted import half_accepted
from tests.helpers.misplaced import misplace
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.config import RunConfig
from tvsight.errors import MeasurementError, UsageError
from tvsight.execution.here import Here
from tvsight.interventions import application
from tvsight.interventions.decoder import Decoder
from tvsight.models.loading import Model, load
from tvsight.prompts import Episode
from tvsight.prompts.templates import template
from tvsight.protocol import conditions
from tvsight.protocol.central import MainResults, collect, collect_with_vectors, requests
from tvsight.protocol.measure import VECTORS
from tvsight.run.outcome import Outcome
from tvsight.run.planning import Plan, read_plan
from tvsight.statistics.tests import best_better_than
from tvsight.storage.contents import check_rows
from tvsight.storage.episode_tables import check
from tvsight.storage.schemas import COLUMN_TYPES, SCORE_TYPES

if TYPE_CHECKING:
    from tvsight.run.runner import Runner

EPISODES = 8


class Measured(NamedTuple):
    """A task, measured on a tiny model."""

    episodes: list[Episode]
    rows: pd.DataFrame
    vectors: dict[str, Tensor]
    phases: list[str]
    table: pd.DataFrame | None

    def of(self, procedure: str, split: str) -> pd.DataFrame:
        rows = self.rows
        return rows[(rows["procedure"] == procedure) & (rows["split"] == split)]


def the_plan(model: Model, **options: Any) -> Plan:
    """A plan to measure `half_accepted`."""
    protocol = {"shots": 3, "episodes_per_split": EPISODES, "device": "cpu"}
    config = RunConfig(model=(model.source.location,), **(protocol | options))
    return replace(read_plan(config), tasks=[half_accepted()])


def request(model: Model, **options: Any) -> MainResults:
    (found,) = requests(the_plan(model, **options), model.source)
    return found


@pytest.fixture(scope="module")
def measured(model: Model) -> Measured:
    phases: list[str] = []
    asked = request(model)
    found = complete(asked.steps(model), model.decoder, Here(phases.append))
    assert found.vectors is not None
    episodes = list(asked.episodes(model))
    return Measured(episodes, found.rows, found.vectors, phases, found.episodes)


def test_rows_are_complete_and_have_the_columns_and_types_that_are_promised(
    model: Model, measured: Measured
) -> None:
    asked = request(model)
    assert check_rows(measured.rows, asked.identity) == DEPTH
    assert re.fullmatch(
        r"Baseline \S+ \S+ \S+  ICL .*  Task vector .*  block \d.* n 8 .*  first pair a → A",
        asked.line(measured.rows),
    )
    assert measured.phases == [
        *("dev demonstrations", "layer sweep"),
        *("test demonstrations", "test queries"),
    ]
    columns = COLUMN_TYPES | SCORE_TYPES
    assert list(measured.rows) == list(columns)
    assert measured.rows.dtypes.astype(str).to_dict() == columns
    for column, value in {"model": "qwen2", "task": "half_accepted", "category": "custom"}.items():
        assert measured.rows[column].unique().tolist() == [value]


def test_the_episodes_are_kept_with_their_prompts(model: Model, measured: Measured) -> None:
    assert measured.table is not None
    check(measured.table, measured.rows)
    for episode, row in zip(measured.episodes, measured.table.to_dict("records"), strict=True):
        assert list(zip(row["inputs"], row["answers"], strict=True)) == [*episode.demonstrations]
        assert (row["accepted"], row["dummies"]) == (
            list(episode.accepted),
            list(episode.dummy_queries),
        )
        prompt = template("example").few_shot(episode.demonstrations, episode.query)
        assert "".join(row["prompt"]).removeprefix("<s>") == prompt


@pytest.mark.parametrize("procedure", VECTORS)
def test_the_first_best_layer_on_dev_is_tested(measured: Measured, procedure: str) -> None:
    dev = measured.of(procedure, "dev")
    by_layer = dev.groupby("layer")["correct"].sum()
    assert by_layer.index.tolist() == list(range(DEPTH))
    assert by_layer.nunique() > 1
    assert measured.of(procedure, "test")["layer"].unique().tolist() == [by_layer.idxmax()]


@pytest.mark.parametrize("procedure", VECTORS)
def test_a_layer_is_identified_when_it_beats_no_patch_on_dev(
    measured: Measured, procedure: str
) -> None:
    dev, baseline = measured.of(procedure, "dev"), measured.of("baseline", "dev")
    swept = [block_rows["correct"] for _, block_rows in dev.groupby("layer")]
    p_value = best_better_than(np.transpose(swept), baseline["correct"], baseline["query"])
    better = p_value < 0.05
    found = pd.concat([dev, measured.of(procedure, "test")])["layer_identified"]
    assert found.unique().tolist() == [better]


def test_a_row_is_right_when_its_prediction_is_accepted(measured: Measured) -> None:
    for split in ("dev", "test"):
        accepted = [{a.strip() for a in e.accepted} for e in measured.episodes if e.split == split]
        rows = measured.rows[measured.rows["split"] == split]
        right = [
            predicted.strip() in accepted[episode]
            for predicted, episode in zip(rows["predicted"], rows["episode"], strict=True)
        ]
        assert rows["correct"].tolist() == right
        assert 0 < sum(right) < len(right)


def test_vectors_of_every_episode_and_block_are_returned_and_announced(
    model: Model, measured: Measured
) -> None:
    for vectors, size in ((True, 2 * EPISODES * DEPTH * WIDTH * torch.half.itemsize), (False, 0)):
        (job,) = next(request(model, vectors=vectors).steps(model))
        assert job.vector_bytes == size
    long = request(model, episodes_per_split=70, max_job_episodes=50)  # in parts
    jobs = next(long.steps(model))
    assert [len(job.arguments[0]["shared"]) for job in jobs] == [50, 20]
    assert list(measured.vectors) == ["dev", "test"]
    for vectors in measured.vectors.values():
        assert vectors.shape == (EPISODES, DEPTH, WIDTH)
        assert vectors.dtype == torch.float16
        assert vectors.flatten(0, 1).unique(dim=0).shape == (EPISODES * DEPTH, WIDTH)


def test_weights_that_are_not_numbers_are_refused(tiny_checkpoint: Callable[[str], Path]) -> None:
    broken = load(str(tiny_checkpoint("qwen2")), device="cpu")
    with torch.no_grad():
        next(broken.decoder.nn._module.parameters()).fill_(torch.nan)
    with pytest.raises(MeasurementError, match="NaN or infinity"):
        complete(request(broken).steps(broken), broken.decoder)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_states_of_queries_that_are_not_numbers_are_refused(
    model: Model, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpatched_states, calls = application.unpatched_states, ["dev", "test"]

    def spoilt(decoder: Decoder, prompts: Any) -> Tensor:
        states = unpatched_states(decoder, prompts)
        if calls.pop(0) == split:
            states[0, -1, 0] = torch.inf
        return states

    monkeypatch.setattr(conditions, "unpatched_states", spoilt)
    with pytest.raises(MeasurementError, match="the logits hold NaN or infinity"):
        complete(request(model).steps(model), model.decoder)


def test_states_too_large_for_half_precision_are_numbers_that_cannot_be_stored(
    measured: Measured, tiny_checkpoint: Callable[[str], Path]
) -> None:
    large = load(str(tiny_checkpoint("qwen2")), device="cpu")
    with torch.no_grad():
        large.decoder.nn._module.get_input_embeddings().weight.mul_(1e6)

    def measured_with(vectors: bool) -> Any:
        return complete(request(large, vectors=vectors).steps(large), large.decoder)

    with pytest.raises(MeasurementError, match=r"numbers beyond 65504.* --no-vectors keeps"):
        measured_with(vectors=True)
    alone = measured_with(vectors=False)
    assert alone.vectors is None
    assert len(alone.rows) == len(measured.rows)


def test_a_patch_that_should_change_nothing_and_does_is_refused(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    misplace(monkeypatch)
    with pytest.raises(MeasurementError, match="a no-op patch changed"):
        complete(request(model).steps(model), model.decoder)


def test_vectors_can_be_needed_whatever_is_stored_and_asked_for(model: Model) -> None:
    asked = []

    class Asked:
        def outcome(self, config: RunConfig, experiment: Any) -> Outcome:
            asked.append((config.vectors, experiment(the_plan(model), model.source)))
            return Outcome()

    runner: Any = Asked()
    collect(runner, RunConfig(vectors=False))
    collect_with_vectors(runner, RunConfig(vectors=False))
    assert [(vectors, needing.needs_vectors) for vectors, (needing,) in asked] == [
        (False, False),
        (True, True),
    ]


def test_every_seed_is_collected_and_the_vectors_of_the_first_are_kept() -> None:
    asked: list[tuple[int, bool]] = []

    def outcome(options: RunConfig, _: object) -> Outcome:
        asked.append((*options.seed, options.vectors))
        return outcome_of(task_rows("one", (1, 12, 10, 8)))

    runner = cast("Runner", SimpleNamespace(outcome=outcome))
    found = collect(runner, RunConfig(seed=(4, 0)))
    assert asked == [(4, True), (0, False)]
    assert found.table["seed"].unique().tolist() == [4, 0]
    assert "seed" not in collect(runner, RunConfig(seed=(4,))).table
    with pytest.raises(UsageError, match="without --save-episodes"):
        collect(runner, RunConfig(seed=(4, 0), save_episodes="saved.jsonl"))
