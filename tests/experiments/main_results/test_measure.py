import random
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
import torch
from torch import Tensor

from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.config import RunConfig
from tvsight.errors import MeasurementError
from tvsight.execution import Here, complete
from tvsight.experiments import rows
from tvsight.experiments.main_results import measure as main_results
from tvsight.experiments.main_results import request as requests
from tvsight.experiments.main_results.measure import (
    PHASES,
    VECTOR_PROCEDURES,
    best_layers,
    check_no_op,
    layer_is_identified,
    measure_task,
)
from tvsight.interventions import application
from tvsight.interventions.decoder import Decoder
from tvsight.models.loading import Model, load
from tvsight.prompts import Episode, sample_episodes, template, usable_pairs
from tvsight.run.planning import plan
from tvsight.statistics.intervals import Estimate
from tvsight.statistics.tests import better_than
from tvsight.storage.schemas import COLUMN_TYPES
from tvsight.tasks import Pair, Task

EPISODES = 8
EXAMPLE = template("example")
CHARACTERS = string.ascii_letters + string.punctuation


class Measured(NamedTuple):
    """A task, measured on a tiny model."""

    episodes: list[Episode]
    rows: pd.DataFrame
    vectors: dict[str, Tensor]
    phases: list[str]

    def of(self, procedure: str, split: str) -> pd.DataFrame:
        rows = self.rows
        return rows[(rows["procedure"] == procedure) & (rows["split"] == split)]


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Callable[[str], Path]) -> Model:
    return load(str(tiny_checkpoint("qwen2")), device="cpu")


@pytest.fixture(scope="module")
def measured(model: Model) -> Measured:
    task, phases = half_accepted(), []
    usable = usable_pairs(task, model.tokenizer, EXAMPLE, model.name)
    episodes = sample_episodes(task.name, usable, 3, 2, EPISODES, seed=0)
    steps = measure_task(model, task, episodes, EXAMPLE)
    return Measured(episodes, *complete(steps, model.decoder, Here(phases.append)), phases)


def half_accepted() -> Task:
    """A task with half of the printable characters as answers: a random model is right at times."""
    rng = random.Random(0)
    pairs = [
        Pair(x, tuple(dict.fromkeys([x.upper(), *rng.sample(CHARACTERS, 40)])))
        for x in string.ascii_lowercase
    ]
    return Task("half_accepted", "custom", "", "exact", tuple(pairs), "")


def test_rows_have_the_columns_and_types_that_are_promised(measured: Measured) -> None:
    assert list(measured.rows) == list(COLUMN_TYPES)
    assert measured.rows.dtypes.astype(str).to_dict() == COLUMN_TYPES
    for column, value in {"model": "qwen2", "task": "half_accepted", "category": "custom"}.items():
        assert measured.rows[column].unique().tolist() == [value]


def test_each_prediction_has_one_row(measured: Measured) -> None:
    counts = measured.rows.groupby(["procedure", "split", "layer"], dropna=False).size()
    assert set(counts) == {EPISODES}
    assert not measured.rows.duplicated(["procedure", "split", "layer", "episode"]).any()
    unpatched = {(name, split) for name, split, layer in counts.index if pd.isna(layer)}
    assert unpatched == {("baseline", "dev"), ("baseline", "test"), ("icl", "test")}
    assert len(counts) == 3 + len(VECTOR_PROCEDURES) * (DEPTH + 1)


@pytest.mark.parametrize("procedure", VECTOR_PROCEDURES)
def test_the_first_best_layer_on_dev_is_tested(measured: Measured, procedure: str) -> None:
    dev = measured.of(procedure, "dev")
    by_layer = dev.groupby("layer")["correct"].sum()
    assert by_layer.index.tolist() == list(range(DEPTH))
    assert by_layer.nunique() > 1
    assert measured.of(procedure, "test")["layer"].unique().tolist() == [by_layer.idxmax()]


@pytest.mark.parametrize("procedure", VECTOR_PROCEDURES)
def test_a_layer_is_identified_when_it_beats_no_patch_on_dev(
    measured: Measured, procedure: str
) -> None:
    (layer,) = measured.of(procedure, "test")["layer"].unique()
    dev, baseline = measured.of(procedure, "dev"), measured.of("baseline", "dev")["correct"]
    better = better_than(dev.loc[dev["layer"] == layer, "correct"], baseline) < 0.05
    found = pd.concat([dev, measured.of(procedure, "test")])["layer_identified"]
    assert found.unique().tolist() == [better]


def test_only_patched_rows_have_a_layer_and_positions(measured: Measured) -> None:
    patched = measured.rows["procedure"].isin(VECTOR_PROCEDURES)
    for column in ("layer", "layer_identified", "read_position", "write_position"):
        assert (measured.rows[column].notna() == patched).all()


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


def test_rows_ask_what_the_episodes_ask(measured: Measured) -> None:
    for split in ("dev", "test"):
        episodes = [episode for episode in measured.episodes if episode.split == split]
        rows = measured.of("baseline", split).sort_values("episode")
        assert rows["query"].tolist() == [episode.query for episode in episodes]
        assert rows["expected"].tolist() == [episode.accepted[0] for episode in episodes]


def test_vectors_of_every_episode_and_block_are_returned(measured: Measured) -> None:
    assert list(measured.vectors) == ["dev", "test"]
    for vectors in measured.vectors.values():
        assert vectors.shape == (EPISODES, DEPTH, WIDTH)
        assert vectors.dtype == torch.float16
        assert vectors.flatten(0, 1).unique(dim=0).shape == (EPISODES * DEPTH, WIDTH)


def test_progress_hears_of_each_phase_once(measured: Measured) -> None:
    assert measured.phases == list(PHASES)


def test_weights_that_are_not_numbers_are_refused(
    measured: Measured, tiny_checkpoint: Callable[[str], Path]
) -> None:
    broken = load(str(tiny_checkpoint("qwen2")), device="cpu")
    with torch.no_grad():
        next(broken.decoder.nn._module.parameters()).fill_(torch.nan)
    with pytest.raises(MeasurementError, match="NaN or infinity"):
        complete(measure_task(broken, half_accepted(), measured.episodes, EXAMPLE), broken.decoder)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_states_of_queries_that_are_not_numbers_are_refused(
    model: Model, measured: Measured, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpatched_states, calls = application.unpatched_states, ["dev", "test"]

    def spoilt(decoder: Decoder, prompts: Any) -> Tensor:
        states = unpatched_states(decoder, prompts)
        if calls.pop(0) == split:
            states[0, -1, 0] = torch.inf
        return states

    monkeypatch.setattr(main_results, "unpatched_states", spoilt)
    with pytest.raises(MeasurementError, match="residual stream holds NaN or infinity"):
        complete(measure_task(model, half_accepted(), measured.episodes, EXAMPLE), model.decoder)


def test_states_too_large_for_half_precision_are_numbers_that_cannot_be_stored(
    measured: Measured, tiny_checkpoint: Callable[[str], Path]
) -> None:
    large = load(str(tiny_checkpoint("qwen2")), device="cpu")
    with torch.no_grad():
        large.decoder.nn._module.get_input_embeddings().weight.mul_(1e6)

    def measure(vectors: bool) -> Any:
        steps = measure_task(large, half_accepted(), measured.episodes, EXAMPLE, vectors)
        return complete(steps, large.decoder)

    with pytest.raises(MeasurementError, match=r"numbers beyond 65504.* --no-vectors keeps"):
        measure(vectors=True)
    rows, vectors = measure(vectors=False)
    assert vectors == {}
    assert len(rows) == len(measured.rows)


def test_a_patch_that_should_change_nothing_and_does_is_refused(
    model: Model, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_vectors = application.apply_vectors

    def one_block_too_low(decoder: Decoder, prompts: Any, chosen: Any, layers: Any, v: Any) -> Any:
        return apply_vectors(decoder, prompts, chosen, [max(0, n - 1) for n in layers], v)

    monkeypatch.setattr(main_results, "apply_vectors", one_block_too_low)
    with pytest.raises(MeasurementError, match="a no-op patch changed"):
        complete(measure_task(model, half_accepted(), measured.episodes, EXAMPLE), model.decoder)


def test_a_long_split_is_measured_in_parts_so_that_memory_is_bounded(model: Model) -> None:
    config = RunConfig(
        model=(model.source.location,),
        tasks="to_upper",
        shots=3,
        episodes_per_split=70,
        max_job_episodes=50,
        device="cpu",
    )
    (request,) = requests.main_results(plan(config), model.source)
    jobs = next(request.measure(model))
    assert [len(job.arguments[0]["shared"]) for job in jobs] == [50, 20]


def test_accuracies_that_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    row = dict.fromkeys(COLUMN_TYPES, None)
    row |= {"split": "test", "procedure": "icl", "correct": True, "query": "a"}
    wrong = Estimate(0.5, 0.6, 0.7, 1, 1)
    monkeypatch.setattr(rows, "accuracy", lambda correct, queries: wrong)
    with pytest.raises(MeasurementError, match=r"of icl, 0\.5, is outside its interval \[0\.6"):
        rows.frame([row], "a_task", "custom")
    with pytest.raises(MeasurementError, match="no episode"):
        rows.frame([], "a_task", "custom")


def test_only_ties_may_change_under_a_no_op_patch() -> None:
    read = {"token": torch.tensor([4, 7]), "margin": torch.tensor([0.5, 1e-4])}
    check_no_op(read, {"token": torch.tensor([4, 8])}, "float32")
    with pytest.raises(MeasurementError, match="changed 1 of 2"):
        check_no_op(read, {"token": torch.tensor([5, 7])}, "float32")
    check_no_op(
        read | {"margin": torch.tensor([0.2, 0.2])}, {"token": torch.tensor([5, 8])}, "bfloat16"
    )


@pytest.mark.parametrize(
    ("tokens", "layer"),
    [
        ([[1, 0, 0], [1, 2, 0], [1, 2, 3]], 2),
        ([[0, 0, 0], [1, 0, 3], [1, 9, 0]], 1),
        ([[0, 0, 0], [0, 0, 0]], 0),
    ],
)
def test_the_best_layer_has_the_most_accepted_answers_and_is_the_lowest(
    tokens: list[list[int]], layer: int
) -> None:
    sweep = {"task_vector": {"token": torch.tensor(tokens).T}}
    assert best_layers(sweep, [[1], [2, 9], [3]]) == {"task_vector": layer}


@pytest.mark.parametrize(("gained", "lost", "found"), [(5, 0, True), (4, 0, False), (8, 2, False)])
def test_a_layer_is_identified_by_five_to_nothing(gained: int, lost: int, found: bool) -> None:
    patched = [True] * gained + [False] * lost + [True] * 20
    baseline = [False] * gained + [True] * lost + [True] * 20
    assert layer_is_identified(patched, baseline) is found
