import numpy as np
import pandas as pd
import pytest

from tests.helpers.example_rows import DIVERGENCES, GAPS, scored_rows, task_rows, whole_rows
from tvsight.experiments.main_results.score_numbers import (
    MEASURED,
    OF_ANSWERS,
    SCORES,
    answer_scores,
    best,
    by_layer,
    by_task,
    layers_over_tasks,
    over_tasks,
    procedures,
    scored,
)


def test_rows_without_scores_are_left_out() -> None:
    old = task_rows("old", (0, 10, 5, 5))
    assert scored(old).empty
    both = pd.concat([scored_rows(), old], ignore_index=True)
    assert set(scored(both)["task"]) == {"one", "two"}


def test_scores_by_task_and_over_tasks() -> None:
    table = by_task(scored_rows())
    assert table["task"].tolist() == ["one"] * 4 + ["two"] * 4
    vector = table[(table["task"] == "one") & (table["procedure"] == "task_vector")].iloc[0]
    # 10 of 20 answers have rank 1, the others 100: the geometric mean is 10.
    assert vector[["top_1", "top_2", "top_3", "rank"]].tolist() == pytest.approx([0.5] * 3 + [10])
    assert vector[["answer_gap", "icl_divergence"]].tolist() == [3.0, 0.5]
    assert vector["rank_low"] < 10 < vector["rank_high"]
    means = over_tasks(table).set_index("procedure")
    assert set(means["tasks"]) == {2}
    # 18 of 20 on the second task: the mean exponent of ten is 1 there 0.2.
    assert means.at["task_vector", "rank"] == pytest.approx(10 ** ((1 + 0.2) / 2))
    assert means["answer_gap"].to_dict() == GAPS
    assert means["icl_divergence"].to_dict() == DIVERGENCES
    recovered = means["answer_gap_recovered"].to_dict()
    assert recovered == pytest.approx(
        {"baseline": 0, "icl": 1, "task_vector": 0.8, "averaged_vector": 0.9}
    )
    assert means.at["task_vector", "icl_divergence_recovered"] == pytest.approx(0.75)


def test_scores_of_whole_answers() -> None:
    table = answer_scores(whole_rows())
    assert table["task"].tolist() == ["one"] * 4 + ["two"] * 4
    vector = table[(table["task"] == "one") & (table["procedure"] == "task_vector")].iloc[0]
    assert (vector["n"], vector["queries"]) == (20, 20)
    # 10 of 20 answers are right; the others have half of the words, the first of them.
    assert vector[list(OF_ANSWERS)].tolist() == pytest.approx([0.5, 0.75, 1.0, -1.5])
    for name in OF_ANSWERS:
        assert vector[f"{name}_low"] <= vector[name] <= vector[f"{name}_high"]


def test_scores_by_block_have_the_baseline_without_one() -> None:
    means = layers_over_tasks(by_layer(scored_rows()))
    vector = means[means["procedure"] == "task_vector"].set_index("layer")
    assert vector["answer_gap"].tolist() == [2, 2, 2, 3, 2, 2]
    assert vector["tasks"].tolist() == [2] * 6
    baseline = means[means["procedure"] == "baseline"]
    assert baseline["layer"].isna().all()
    # The dev baseline of these rows is wrong throughout, and the vectors are right.
    assert baseline["rank"].tolist() == pytest.approx([100])
    assert np.allclose(vector["rank"], 1)


@pytest.mark.parametrize(("name", "layer"), [("gap", 3), ("kl", 3), ("rank", 0)])
def test_the_best_block_has_the_most_or_the_least(name: str, layer: int) -> None:
    means = layers_over_tasks(by_layer(scored_rows()))
    own = means[means["procedure"] == "task_vector"]
    assert best(own, SCORES[name])["layer"] == layer


def test_procedures_of_the_central_comparison_come_first() -> None:
    table = pd.DataFrame({"procedure": ["mean_state", "task_vector", "baseline", "mean_state"]})
    assert procedures(table) == ["baseline", "task_vector", "mean_state"]
    assert MEASURED == ("answer_gap", "icl_divergence", "rank")
