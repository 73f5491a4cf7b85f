import pandas as pd
import pytest

from tests.helpers.example_rows import task_rows
from tests.helpers.function_vector_rows import method_rows
from tvsight.experiments.main_results.method_numbers import by_task, further, over_tasks
from tvsight.statistics.tests import holm

RIGHT = {"one": (2, 18, 15, 14), "two": (4, 16, 10, 8)}
MEAN_STATE = {"one": 9, "two": 5}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    parts = [task_rows(task, right) for task, right in RIGHT.items()]
    return pd.concat([*parts, *(method_rows(*one) for one in MEAN_STATE.items())])


@pytest.fixture(scope="module")
def table(rows: pd.DataFrame) -> pd.DataFrame:
    return by_task(rows)


def test_further_methods_are_those_beside_the_central_comparison(rows: pd.DataFrame) -> None:
    assert further(rows) == ["mean_state"]
    assert further(task_rows("one", RIGHT["one"])) == []


def test_a_task_has_a_row_per_procedure(table: pd.DataFrame) -> None:
    found = table.set_index(["task", "procedure"])
    assert len(found) == 2 * 5
    for task, right in RIGHT.items():
        own = found.loc[(task, "mean_state")]
        assert own["accuracy"] == MEAN_STATE[task] / 20
        assert own["accuracy_low"] < own["accuracy"] < own["accuracy_high"]
        assert own["over_baseline"] == pytest.approx((MEAN_STATE[task] - right[0]) / 20)
        assert own["behind_vector"] == pytest.approx((right[2] - MEAN_STATE[task]) / 20)
        assert (own["n"], own["queries"], own["layer"]) == (20, 20, 2)
        assert pd.isna(found.loc[(task, "icl"), "layer"])
        assert pd.isna(found.loc[(task, "baseline"), "layer_identified"])
    assert found.loc[("one", "mean_state"), "over_baseline_p"] == pytest.approx(2**-7)
    assert found.loc[("two", "mean_state"), "over_baseline_p"] == pytest.approx(2**-1)
    assert found.loc[("one", "mean_state"), "behind_vector_p"] == pytest.approx(2**-6)


def test_tests_are_adjusted_for_the_tasks_of_a_procedure(table: pd.DataFrame) -> None:
    own = table[table["procedure"] == "mean_state"]
    for name in ("over_baseline_p", "behind_vector_p"):
        assert own[f"{name}_holm"].tolist() == pytest.approx(holm(own[name]).tolist())


def test_means_are_over_tasks(table: pd.DataFrame) -> None:
    found = over_tasks(table).set_index("procedure")
    own = found.loc["mean_state"]
    assert own["accuracy"] == pytest.approx(7 / 20)
    assert own["recovered_gap"] == pytest.approx((7 - 3) / (17 - 3))
    assert own["behind_vector"] == pytest.approx((12.5 - 7) / 20)
    assert (own["tasks"], own["layer"]) == (2, 2)
    assert (own["beats_baseline"], own["beaten_by_vector"]) == (1, 2)
    assert found.loc["icl", "recovered_gap"] == 1
    assert pd.isna(found.loc["icl", "identified"])


def test_means_leave_out_tasks_that_lack_a_procedure(rows: pd.DataFrame) -> None:
    lacking = rows[~((rows["task"] == "two") & (rows["procedure"] == "mean_state"))]
    found = over_tasks(by_task(lacking)).set_index("procedure")
    assert (found["tasks"] == 1).all()
    assert found.loc["icl", "accuracy"] == 18 / 20
