import pytest

from tests.helpers.example_rows import whole_rows
from tvsight.experiments.main_results.answers_numbers import SCORES, by_task, over_tasks


def test_scores_by_task_and_over_tasks() -> None:
    table = by_task(whole_rows())
    assert table["task"].tolist() == ["one"] * 4 + ["two"] * 4
    vector = table[(table["task"] == "one") & (table["procedure"] == "task_vector")].iloc[0]
    assert (vector["n"], vector["queries"]) == (20, 20)
    # 10 of 20 answers are right; the others have half of the words, the first of them.
    assert vector[list(SCORES)].tolist() == pytest.approx([0.5, 0.75, 1.0, -1.5])
    for name in SCORES:
        assert vector[f"{name}_low"] <= vector[name] <= vector[f"{name}_high"]
    means = over_tasks(table)
    assert means["procedure"].tolist() == ["baseline", "icl", "task_vector", "averaged_vector"]
    assert set(means["tasks"]) == {2}
    own = means[means["procedure"] == "task_vector"].iloc[0]
    assert own[list(SCORES)].tolist() == pytest.approx([0.7, 0.85, 1.0, -1.5])
