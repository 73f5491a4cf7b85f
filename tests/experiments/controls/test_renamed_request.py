from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.helpers.completed import complete
from tests.helpers.few_answers import few_answers
from tests.helpers.replayed import two_tasks
from tvsight.config import RunConfig
from tvsight.experiments.controls import NAME, RENAMED, Options
from tvsight.experiments.controls.request import RenamedLabels, collect, renamed_requests
from tvsight.models.loading import Model
from tvsight.models.sources import ModelSource
from tvsight.prompts import template
from tvsight.run.outcome import Measured, Outcome
from tvsight.run.planning import Experiment, Plan, read_plan
from tvsight.storage.contents import check_rows
from tvsight.storage.schemas import SCORE_TYPES, schema

SOURCE = ModelSource("directory", "a-model", "/nowhere/a-model")
EPISODES = 8
FEW = [
    *("location_continent", "location_religion"),
    *("list_max", "list_min", "news_topic", "review_sentiment", "sentiment"),
]
NAMES = ["X", "Y", "Z"]


def names(**options: Any) -> list[str]:
    return [one.name for one in renamed_requests(read_plan(RunConfig(**options)), SOURCE)]


def test_tasks_with_few_answers_are_asked_for_and_the_other_packaged_ones_beside_the_papers(
    tmp_path: Path,
) -> None:
    assert names() == FEW
    assert names(tasks="sentiment,antonyms,location_religion") == ["sentiment", "location_religion"]
    assert names(tasks="to_upper,prev_letter") == []
    assert names(episodes=str(two_tasks(tmp_path, "e"))) == []


class Asked:
    """A runner that notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str]] = []

    def outcome(self, config: RunConfig, experiment: Experiment) -> Outcome:
        wanted = experiment(read_plan(config), SOURCE)
        self.asked += [(config.seed[0], request.identity["experiment"]) for request in wanted]
        return Outcome()

    def after(self, first: str, config: RunConfig, name: str, experiment: Experiment) -> Outcome:
        self.asked.append((config.seed[0], name))
        return Outcome()


def test_every_seed_has_renamed_labels_and_the_first_one_the_rest() -> None:
    runner: Any = Asked()
    collect(runner, Options(tasks="sentiment", seed=(3, 4)))
    assert runner.asked == [(3, "main_results"), (3, NAME), (3, RENAMED), (4, RENAMED)]


def measured(model: Model, seed: int = 0) -> Measured:
    task = few_answers()
    config = RunConfig(seed=(seed,), shots=3, episodes_per_split=EPISODES)
    request = RenamedLabels(Plan(config, template("example"), [task], {}), {"seed": seed}, task)
    return complete(request.steps(model), model.decoder)


@pytest.fixture(scope="module")
def found(model: Model) -> Measured:
    return measured(model)


def test_rows_are_complete(found: Measured) -> None:
    rows = found.rows
    assert rows.dtypes.astype(str).to_dict() == schema(RENAMED).columns_with(SCORE_TYPES)
    identity = {"model": "qwen2", "task": "few_answers", "experiment": RENAMED}
    check_rows(rows, identity | {"episodes_per_split": EPISODES})
    assert set(rows["split"]) == {"test"}
    keys = ["procedure", "demonstrations", "layer_rule"]
    readers = {("baseline", "", "")}
    for kind in ("right", "renamed", "absent"):
        readers |= {("icl", kind, ""), *(("task_vector", kind, r) for r in ("right", "renamed"))}
    for _, scored in rows.groupby("scored_as"):
        assert set(scored[keys].fillna("").itertuples(index=False, name=None)) == readers
    assert (rows["layer"].notna() == (rows["procedure"] == "task_vector")).all()


def test_one_answer_is_scored_as_the_right_and_as_the_renamed_one(found: Measured) -> None:
    assert found.notes is not None
    renamed = found.notes["renamed_labels"]
    assert sorted(renamed) == sorted(renamed.values()) == NAMES
    keys = ["procedure", "layer", "demonstrations", "layer_rule", "episode", "query"]
    right, other = (
        found.rows[found.rows["scored_as"] == kind].set_index(keys).sort_index()
        for kind in ("right", "renamed")
    )
    pd.testing.assert_series_equal(right["predicted"], other["predicted"])
    assert other["expected"].tolist() == [renamed[answer] for answer in right["expected"]]
    assert (other["correct"] == (other["predicted"].str.strip() == other["expected"])).all()
    assert right["correct"].sum() > other["correct"].sum(), "half of the characters count as right"


def test_demonstrations_show_the_answer_of_the_query_or_do_not(found: Measured) -> None:
    shares = found.rows.groupby("demonstrations")["share"]
    assert shares.min().to_dict() == {"absent": 0, "renamed": pytest.approx(1 / 3), "right": 1 / 3}
    assert shares.max()["absent"] == 0
    assert found.rows.loc[found.rows["procedure"] == "baseline", "share"].isna().all()


def test_the_seed_decides_what_an_answer_stands_for(model: Model, found: Measured) -> None:
    pd.testing.assert_frame_equal(measured(model).rows, found.rows)
    seen = [measured(model, seed).notes for seed in range(1, 5)]
    assert any(
        of is not None and of["renamed_labels"] != found.notes["renamed_labels"] for of in seen
    )
