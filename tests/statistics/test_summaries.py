import numpy as np
import pandas as pd
import pytest

from tvsight.statistics import summaries, tests
from tvsight.statistics.counts import solved
from tvsight.statistics.summaries import Ratio, adjusted, averaged, by_task, gap, over_tasks


def rows() -> pd.DataFrame:
    """Two tasks of four queries, each asked without and with a vector; one is asked with two."""
    right = {
        ("one", "none", ""): [0, 0, 0, 1],
        ("one", "vector", "a"): [1, 1, 0, 1],
        ("two", "none", ""): [0, 0, 0, 0],
        ("two", "vector", "a"): [1, 1, 1, 1],
        ("two", "vector", "b"): [0, 0, 1, 0],
    }
    table = [
        {
            **{"model": "m", "category": "c", "task": task, "procedure": procedure},
            **{"variant": variant or None, "split": split, "episode": episode},
            **{"query": f"q{episode}", "correct": bool(one) and split == "test"},
        }
        for (task, procedure, variant), of_run in right.items()
        for split in ("dev", "test")
        for episode, one in enumerate(of_run)
    ]
    return pd.DataFrame(table)


def asked_of(of_task: pd.DataFrame, procedure: str) -> pd.DataFrame:
    return of_task[(of_task["split"] == "test") & (of_task["procedure"] == procedure)]


def against(of_task: pd.DataFrame, run: pd.DataFrame) -> summaries.Pair | None:
    is_vector = run["procedure"].iloc[0] == "vector"
    return (run, asked_of(of_task, "none")) if is_vector else None


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    found = by_task(rows(), ["procedure", "variant"], {"gain": against})
    return adjusted(found, ["gain"], "procedure", "variant")


def test_a_condition_of_a_task_is_a_row_with_its_test_accuracy(table: pd.DataFrame) -> None:
    assert table[["task", "procedure"]].to_numpy().tolist() == [
        *(["one", "none"], ["one", "vector"]),
        *(["two", "none"], ["two", "vector"], ["two", "vector"]),
    ]
    assert table["accuracy"].tolist() == [0.25, 0.75, 0, 1, 0.25]
    assert set(table["n"]) == set(table["queries"]) == {4}
    assert (table["accuracy_low"] < 1).all()
    assert (table["accuracy_high"] > 0).all()


def test_a_contrast_is_paired_and_nothing_where_there_is_none(table: pd.DataFrame) -> None:
    gains = table.set_index(["task", "procedure", "variant"])
    assert gains.loc[("one", "vector", "a"), ["gain", "gain_p"]].tolist() == [0.5, 0.25]
    assert gains.loc[("two", "vector", "a"), ["gain", "gain_p"]].tolist() == [1.0, 1 / 16]
    assert table.loc[table["procedure"] == "none", ["gain", "gain_p"]].isna().all(axis=None)
    # Two tasks have the variant a, and one has b alone.
    assert gains.loc[("two", "vector", "a"), "gain_p_holm"] == 2 / 16
    assert gains.loc[("two", "vector", "b"), "gain_p_holm"] == 0.5


def test_means_ratios_and_counts_are_over_the_tasks_of_a_condition() -> None:
    table = pd.DataFrame(
        {
            **{"model": ["m"] * 4, "way": ["x", "x", "y", "y"], "baseline": [0.0, 0.2, 0.0, 0.2]},
            **{"icl": [1.0, 0.8, 1.0, 0.8], "accuracy": [0.5, 0.5, 1.0, 0.8]},
            **{"p": [0.01, 0.2, 0.02, 0.03]},
        }
    )
    means = {"accuracy": "accuracy", "lead": ("icl", "accuracy"), "gap": gap()}
    found = over_tasks(table, ["way"], means, {"many": "p"}).set_index("way")
    assert found["tasks"].tolist() == [2, 2]
    assert found["accuracy"].tolist() == pytest.approx([0.5, 0.9])
    assert found["lead"].tolist() == pytest.approx([0.4, 0.0])
    assert found["gap"].tolist() == pytest.approx([0.5, 1.0])
    assert found["many"].tolist() == [1, 2]  # 0.01 and 0.2 become 0.02 and 0.2; 0.02, 0.03 0.04
    assert (found["accuracy_low"] <= found["accuracy"]).all()


def test_tasks_of_one_cluster_are_resampled_together() -> None:
    table = pd.DataFrame({"accuracy": [0.0, 0.0, 1.0, 1.0]})
    double = averaged(
        table, {"twice": Ratio(lambda of: 2 * of[..., 0], ["accuracy"])}, [0, 0, 1, 1]
    )
    assert (double["twice"], double["twice_low"], double["twice_high"]) == (1, 0, 2)
    assert averaged(table, ["accuracy"])["accuracy_low"] == 0


def listed_tasks() -> pd.DataFrame:
    return pd.DataFrame(
        {
            **{"model": "m", "task": ["a", "b", "c", "d"], "queries": 50},
            **{"category": ["translation", "translation", "x", "x"]},
            **{"accuracy": [0.0, 0.0, 1.0, 1.0], "baseline": 0.0, "icl": [0.1, 0.5, 1.0, 1.0]},
            **{"p": [0.001, 0.2, 0.002, 0.001]},
        }
    )


def test_translation_stands_apart_and_tasks_of_one_list_are_resampled_together() -> None:
    table = listed_tasks()
    found = over_tasks(
        table.assign(solved=solved(table)),
        [],
        {"accuracy": "accuracy", "lead": ("icl", "accuracy")},
        {"many": "p"},
        lists=lambda names: ["x" if name in "ab" else name for name in names],
    ).set_index("group")
    assert found["accuracy"].to_dict() == {"all": 0.5, "translation": 0, "rest": 1}
    assert found["lists"].to_dict() == {"all": 3, "translation": 1, "rest": 2}
    ends = found.loc["all", ["accuracy_low", "accuracy_lists_low", "accuracy_lists_high"]]
    assert ends.tolist() == [0, 0, 1]
    assert np.isnan(found.loc["translation", "accuracy_lists_low"])  # of one list
    # Adjusted among four tests, 0.001 and 0.002 pass; of task a, ICL does not solve it.
    assert found[["many", "many_solved", "icl_gains"]].to_numpy().tolist() == [
        *([3, 2, 3], [1, 0, 1], [2, 2, 2])
    ]
    assert found["power"].tolist() == pytest.approx([tests.power(50, 4)] * 3)
    beside = summaries.apart(found.reset_index(), [])
    assert beside[["accuracy", "accuracy_translation", "accuracy_rest"]].to_numpy().tolist() == [
        [0.5, 0, 1]
    ]


def test_equality_is_shown_by_a_test_and_not_by_an_interval_over_zero() -> None:
    wide = pd.DataFrame({"a": [0.0, 1.0] * 5, "b": [1.0, 0.0] * 5})
    assert averaged(wide, {"lead": ("a", "b")})["lead_equal_p"] > 0.3
    near = pd.DataFrame({"a": [0.50, 0.51] * 5, "b": 0.5})
    assert averaged(near, {"lead": ("a", "b")})["lead_equal_p"] == 0
    assert "a_equal_p" not in averaged(near, ["a"])


def test_a_wide_table_has_the_columns_of_every_condition() -> None:
    long = pd.DataFrame({"task": ["t", "t"], "procedure": ["a", "b"], "accuracy": [0.1, 0.2]})
    long = long.assign(accuracy_low=0.0, accuracy_high=1.0)
    (row,) = summaries.wide(long, ["task"], "procedure").to_dict("records")
    assert (row["task"], row["a"], row["b"], row["b_high"]) == ("t", 0.1, 0.2, 1.0)
    back = summaries.long(pd.DataFrame([row]), ["a", "b", "c"], other={"b": "a"})
    assert back["procedure"].tolist() == ["a", "b"]
    assert back["accuracy"].tolist() == [0.1, 0.2]
    assert np.isnan(back["other"].iloc[0])
    assert back["other"].iloc[1] == 0.1


def test_the_best_block_of_one_result_is_tested_once() -> None:
    swept = np.array([[1, 0], [1, 1], [0, 1]], dtype=bool)
    tests._best_p.cache_clear()
    first = tests.best_better_than(swept, [0, 0, 0], ["a", "b", "c"])
    assert tests.best_better_than(swept.copy(), [0, 0, 0], ["a", "b", "c"]) == first
    assert tests._best_p.cache_info().misses == 1
    assert tests._best_p.cache_info().hits == 1
    assert tests.best_better_than(swept, [1, 0, 0], ["a", "b", "c"]) != first


def test_a_difference_is_that_of_the_same_episodes_in_any_order() -> None:
    queries = list("aabbcc")
    first = pd.DataFrame(
        {"episode": range(6), "query": queries, "correct": [True] * 4 + [False] * 2}
    )
    second = first.assign(correct=[False] * 3 + [True] + [False] * 2).iloc[::-1]
    found = summaries.paired(first, second, "lead")
    assert set(found) == {"lead", "lead_low", "lead_high", "lead_p"}
    assert found["lead"] == pytest.approx(0.5)
    assert found["lead_p"] == 1 / 4
    with pytest.raises(ValueError, match="lacks an episode"):
        summaries.paired(first, second[second["episode"] != 3], "lead")


def test_each_draw_is_paired_with_every_draw_of_the_other() -> None:
    first = pd.DataFrame(
        {"episode": [0, 1, 0], "query": ["a", "b", "a"], "correct": [True, True, False]}
    )
    second = pd.DataFrame({"episode": [1, 0, 1, 0], "correct": [False, True, True, True]})
    found = summaries.paired(first, second.assign(query=list("baba")), "lead")
    assert found["lead"] == pytest.approx(-1 / 6)  # of a: 0, 0, -1, -1; of b: 1, 0
