import pandas as pd
import pytest

from tests.helpers.example_rows import rows_by_shots
from tvsight.config import check_given
from tvsight.errors import UsageError
from tvsight.experiments.shots import RULES, Options
from tvsight.experiments.shots.numbers import by_shots, over_tasks


def test_a_row_per_number_of_demonstrations_and_task() -> None:
    table = by_shots(rows_by_shots())
    assert table.columns[0] == "shots"
    assert table[["shots", "task", "icl", "task_vector"]].to_numpy().tolist() == [
        [1, "one", 0.4, 0.2],
        [1, "two", 0.2, 0.0],
        [4, "one", 0.8, 0.5],
        [4, "two", 0.6, 0.3],
    ]


def test_means_and_blocks_of_each_procedure() -> None:
    means = over_tasks(by_shots(rows_by_shots())).set_index(["shots", "procedure"])
    assert means.loc[(1, "icl"), "accuracy"] == pytest.approx(0.3)
    assert means.loc[(4, "task_vector"), "accuracy"] == pytest.approx(0.4)
    low, high = means.loc[(4, "task_vector"), ["accuracy_low", "accuracy_high"]]
    assert (low, high) == pytest.approx((0.3, 0.5))
    assert means.loc[(4, "task_vector"), "layer"] == 3
    assert pd.isna(means.loc[(4, "icl"), "layer"])
    assert set(means["tasks"]) == {2}
    assert means.loc[(4, "baseline"), "behind_icl"] == pytest.approx(0.7)
    assert means.loc[(4, "task_vector"), ["gains", "lags"]].tolist() == [2, 2]
    assert pd.isna(means.loc[(4, "icl"), "behind_icl"])


def test_a_task_that_lacks_a_number_counts_nowhere() -> None:
    table = by_shots(rows_by_shots())
    means = over_tasks(table[~((table["task"] == "two") & (table["shots"] == 4))])
    assert set(means["tasks"]) == {1}
    icl = means[means["procedure"] == "icl"]
    assert dict(zip(icl["shots"], icl["accuracy"], strict=True)) == {1: 0.4, 4: 0.8}


def test_numbers_are_read_in_any_order() -> None:
    assert Options(shot_counts="5, 1,16").counts == [1, 5, 16]


@pytest.mark.parametrize("words", ["", ",", "two", "1;2", "-1", "1.5", "²"])
def test_what_is_no_number_is_refused(words: str) -> None:
    with pytest.raises(UsageError, match="--shot-counts"):
        _ = Options(shot_counts=words).counts


def test_episodes_of_a_file_are_refused() -> None:
    with pytest.raises(UsageError, match=r"--episodes .*a file of episodes is fixed"):
        check_given({"episodes": "--episodes some.jsonl"}, RULES)
