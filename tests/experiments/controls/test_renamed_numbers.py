import pandas as pd
import pytest

from tests.helpers.renamed_rows import SHARE, N, renamed_rows
from tvsight.experiments.controls.renamed_numbers import by_task, over_tasks

ONE = renamed_rows("one")
SHOWN = N - 1
"""Episodes that could be shown their answer."""


def row(table: pd.DataFrame, procedure: str, rule: str) -> pd.Series:
    found = table[(table["procedure"] == procedure) & (table["layer_rule"] == rule)]
    assert len(found) == 1
    return found.iloc[0]


def test_a_task_has_a_row_per_reader_over_the_episodes_that_suit() -> None:
    table = by_task(ONE)
    readers = [("icl", ""), ("task_vector", "right"), ("task_vector", "renamed")]
    assert list(zip(table["procedure"], table["layer_rule"], strict=True)) == readers
    vector = row(table, "task_vector", "renamed")
    shown = {"right": 6, "kept": 4, "renamed": 9, "confused": 3, "icl_renamed": 10}
    for name, count in shown.items():
        assert vector[name] == pytest.approx(count / SHOWN), name
    assert vector["absent"] == 4 / N
    assert vector["share"] == pytest.approx(SHARE)


def test_differences_are_paired_by_task_and_seed() -> None:
    seeds = {0: [ONE, renamed_rows("two", 4)], 1: [renamed_rows("one", 2)]}
    table = pd.concat([by_task(pd.concat(of)).assign(seed=seed) for seed, of in seeds.items()])
    means = over_tasks(table)
    first, second = (means[means["seed"] == seed] for seed in seeds)
    assert (len(first), len(second)) == (3, 3)
    assert set(means["group"]) == {"all"}
    vector = row(first, "task_vector", "renamed")
    assert vector["tasks"] == 2
    assert vector["renamed"] == pytest.approx((9 + 5) / 2 / SHOWN)
    assert vector["follows"] == pytest.approx(((9 - 4) + (5 - 4)) / 2 / SHOWN)
    assert vector["over_share"] == pytest.approx(7 / SHOWN - SHARE)
    assert vector["over_confused"] == pytest.approx((7 - 3) / SHOWN)
    assert vector["over_absent"] == pytest.approx(7 / SHOWN - 4 / N)
    # One less than ICL on both tasks, and so equal to a nineteenth, which is more than the margin.
    assert vector["over_icl"] == pytest.approx(-1 / SHOWN)
    assert vector["over_icl_equal_p"] == 1
    assert pd.isna(row(first, "icl", "")["over_icl_equal_p"])
    assert row(second, "task_vector", "right")["renamed"] == pytest.approx(4 / SHOWN)
