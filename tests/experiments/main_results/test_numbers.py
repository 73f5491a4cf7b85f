from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from tests.helpers.example_rows import PROCEDURES, task_rows
from tvsight.experiments.main_results.numbers import (
    DIFFERENCES,
    POOLED,
    bars,
    by_seed,
    by_size,
    by_task,
    means,
    models_without_icl,
    over_seeds,
    over_tasks,
)
from tvsight.models import catalogue
from tvsight.output.procedures import COMPARED
from tvsight.paper import paper_by_task
from tvsight.statistics.counts import solved
from tvsight.tasks import PAPER_TASKS, packaged_tasks

PAPER_MEANS = {"baseline": 0.130, "icl": 0.844, "task_vector": 0.742}


def summary(rows: Iterable[pd.DataFrame]) -> pd.DataFrame:
    return by_task(pd.concat(rows, ignore_index=True))


@pytest.fixture(scope="module")
def two_tasks() -> pd.DataFrame:
    """A task that ICL gains on, and one that it does not."""
    return summary([task_rows("one", (2, 16, 14, 12)), task_rows("two", (10, 12, 12, 12))])


def test_a_task_is_summarised_from_its_test_answers_alone() -> None:
    (found,) = summary([task_rows("one", (1, 16, 14, 12), layers=(3, 5))]).to_dict("records")
    assert [found[name] for name in PROCEDURES] == [0.05, 0.8, 0.7, 0.6]
    assert (found["model"], found["task"], found["category"]) == ("a-model", "one", "custom")
    assert (found["n"], found["queries"]) == (20, 20)
    assert (found["layer"], found["averaged_layer"]) == (3, 5)
    assert found["layer_identified"] is True


def test_queries_asked_once_have_intervals_of_wilson(two_tasks: pd.DataFrame) -> None:
    for name, right in zip(PROCEDURES, (2, 16, 14, 12), strict=True):
        interval = two_tasks.loc[0, [f"{name}_low", f"{name}_high"]].astype(float)
        assert tuple(interval) == pytest.approx(proportion_confint(right, 20, method="wilson"))


def test_repeated_queries_are_counted_once_and_widen_the_interval() -> None:
    queries = [f"query {number // 5}" for number in range(20)]
    (found,) = summary([task_rows("one", (2, 10, 14, 12), queries=queries)]).to_dict("records")
    low, high = proportion_confint(10, 20, method="wilson")
    assert (found["n"], found["queries"]) == (20, 4)
    assert found["icl_high"] - found["icl_low"] > 1.5 * (high - low)


def test_a_layer_that_is_not_identified_is_marked() -> None:
    found = summary([task_rows("one", (2, 3, 2, 2), identified=False), task_rows("two", (0,) * 4)])
    assert found["layer_identified"].tolist() == [False, True]


def test_tasks_and_models_stay_in_the_order_of_the_rows() -> None:
    asked = [("z", "second"), ("z", "first"), ("a", "second")]
    found = summary([task_rows(task, (0, 1, 1, 1), model=model) for model, task in asked])
    assert list(zip(found["model"], found["task"], strict=True)) == asked
    assert over_tasks(found)["model"].tolist() == ["z", "a"]


def test_means_are_over_tasks_and_shares_are_of_the_means(two_tasks: pd.DataFrame) -> None:
    (found,) = over_tasks(two_tasks).to_dict("records")
    assert (found["model"], found["group"]) == ("a-model", "all")
    assert (found["tasks"], found["lists"], found["icl_gains"]) == (2, 2, 1)
    assert [found[name] for name in PROCEDURES] == pytest.approx([0.3, 0.7, 0.65, 0.6])
    assert found["share_of_icl"] == pytest.approx(0.65 / 0.7)
    assert found["recovered_gap"] == pytest.approx(0.35 / 0.4)
    assert (found["icl_low"], found["icl_high"]) == pytest.approx((0.6, 0.8))
    assert (found["share_of_icl_low"], found["share_of_icl_high"]) == pytest.approx((0.875, 1.0))


@pytest.mark.parametrize(
    ("baseline", "icl", "kept"),
    [(2, 6, True), (14, 18, True), (6, 10, True), (16, 20, True), (2, 5, False), (10, 2, False)],
)
def test_a_gain_of_exactly_a_fifth_is_enough(baseline: int, icl: int, kept: bool) -> None:
    found = summary([task_rows("one", (baseline, icl, 0, 0))])
    assert solved(found).tolist() == [kept]
    assert over_tasks(found)["icl_gains"].tolist() == [int(kept)]


def test_differences_are_paired_by_episode_and_tested_by_query() -> None:
    # Right answers are the first ones, so the vector's 12 are among the 16 of ICL.
    queries = [f"query {number // 2}" for number in range(20)]
    (found,) = summary([task_rows("one", (2, 16, 12, 9), queries=queries)]).to_dict("records")
    for name, (first, second) in DIFFERENCES.items():
        assert found[name] == pytest.approx(found[first] - found[second])
    assert found["icl_minus_task_vector_p"] == 2**-2  # two queries, of two episodes each
    assert found["task_vector_minus_baseline_p"] == 2**-5
    # Two of ten queries differ: less than the intervals of 0.8 and 0.6 would say.
    low, high = found["icl_minus_task_vector_low"], found["icl_minus_task_vector_high"]
    assert (low, high) == pytest.approx((0, 0.5))
    assert found["icl_high"] - found["task_vector_low"] > high


def test_p_values_are_adjusted_for_the_tasks_of_a_model() -> None:
    rows = [task_rows("one", (0, 9, 5, 0)), task_rows("two", (0, 9, 6, 0))]
    table = summary([*rows, rows[0].assign(model="b-model")])
    assert table["task_vector_minus_baseline_p"].tolist() == [2**-5, 2**-6, 2**-5]
    assert table["task_vector_minus_baseline_p_holm"].tolist() == [2**-5, 2**-5, 2**-5]
    found = over_tasks(table)
    assert found["task_vector_minus_baseline_tasks"].tolist() == [2, 1]
    assert found["icl_minus_task_vector_tasks"].tolist() == [0, 0]
    assert table["layer_p"].tolist() == [2**-6] * 3
    assert found["identified"].tolist() == [2, 1]


def test_tasks_with_one_word_list_are_resampled_together() -> None:
    rows = [
        task_rows("en_fr", (0, 20, 20, 0)),
        task_rows("en_es", (0, 20, 20, 0)),
        task_rows("antonyms", (0, 20, 0, 0)),
    ]
    table = summary(rows).assign(category=["translation", "translation", "linguistic"])
    means = over_tasks(table).set_index("group")
    assert means["tasks"].to_dict() == {"all": 3, "translation": 2, "rest": 1}
    assert means["lists"].to_dict() == {"all": 2, "translation": 1, "rest": 1}
    assert means["recovered_gap"].tolist() == pytest.approx([2 / 3, 1, 0])
    # A sample of antonyms alone is one of four of lists, and of 27 of tasks.
    gaps = means.loc["all"].filter(like="recovered_gap_").drop("recovered_gap_low")
    assert gaps.tolist() == [1, 0, 1]
    assert means["task_vector_minus_baseline_tasks"].tolist() == [2, 2, 0]


def test_the_paper_has_three_procedures_on_seven_models_and_eighteen_tasks() -> None:
    paper = paper_by_task()
    assert len(paper) == 7 * 18
    assert {tuple(tasks) for _, tasks in paper.groupby("model")["task"]} == {PAPER_TASKS}
    assert set(paper["model"]) == {
        alias for alias, entry in catalogue().items() if entry.group == "paper"
    }
    assert (paper["category"] == paper["task"].map(categories())).all()


def test_the_paper_has_its_means() -> None:
    paper = paper_by_task()
    assert paper[list(COMPARED)].mean().round(3).to_dict() == PAPER_MEANS
    assert paper[list(COMPARED)].stack().between(0, 1).all()
    found, *_ = over_tasks(paper.assign(model="all seven")).to_dict("records")
    assert (found["tasks"], round(found["icl"], 3)) == (126, PAPER_MEANS["icl"])


def test_the_paper_itself_drops_two_cells_by_its_rule() -> None:
    paper = paper_by_task()
    dropped = paper[~solved(paper)]
    assert list(zip(dropped["model"], dropped["task"], strict=True)) == [
        ("llama-7b", "list_first"),
        ("llama-30b", "list_first"),
    ]


def test_the_means_of_the_paper_are_its_rows_model_by_model() -> None:
    paper = paper_by_task()
    found = over_tasks(paper).set_index("model")
    every = found[found["group"] == "all"]
    for model, rows in paper.groupby("model"):
        baseline, icl, vector = (rows[name].mean() for name in COMPARED)
        expected = pytest.approx([baseline, icl, vector])
        assert every.loc[model, list(COMPARED)].tolist() == expected
        gap = (vector - baseline) / (icl - baseline)
        assert every.loc[model, "recovered_gap"] == pytest.approx(gap)
    assert "averaged_vector" not in found
    every = found[found["group"] == "all"].drop(columns="group").astype(float)
    assert np.isfinite(every).all(axis=None)
    assert (found.loc[found["group"] == "translation", "lists"] == 1).all()


def categories() -> dict[str, str]:
    return {name: task.category for name, task in packaged_tasks().items()}


def test_a_model_that_no_demonstration_helps_is_named(two_tasks: pd.DataFrame) -> None:
    assert models_without_icl(two_tasks) == []
    helpless = summary([task_rows("one", (12, 12, 0, 0)), task_rows("two", (3, 2, 2, 2))])
    assert models_without_icl(pd.concat([helpless.assign(model="b-model"), two_tasks])) == [
        "b-model"
    ]


def test_means_are_ours_then_the_papers_and_all_seven(two_tasks: pd.DataFrame) -> None:
    found = means(two_tasks, paper_by_task())
    assert found["model"].iloc[-1] == POOLED
    found = found[found["group"] == "all"]
    assert found["source"].tolist() == ["tvsight"] + ["paper"] * 8
    assert found["tasks"].tolist() == [2, *[18] * 7, 126]
    assert found["lists"].tolist() == [2, *[8] * 8]
    assert found["identified"].isna().tolist() == [False] + [True] * 8


def test_bars_are_over_all_tasks_of_every_model(two_tasks: pd.DataFrame) -> None:
    found = bars(means(two_tasks, paper_by_task()))
    assert found["paper"].tolist() == [False] + [True] * 7
    assert found["tasks"].tolist() == [2] + [18] * 7
    ours = over_tasks(two_tasks).iloc[0]
    assert found.loc[0, list(PROCEDURES)].tolist() == ours[list(PROCEDURES)].tolist()


def test_seeds_compare_tasks_that_all_of_them_have() -> None:
    rows = pd.concat(
        [
            task_rows("one", (2, 12, 7, 9)).assign(seed=0),
            task_rows("one", (4, 14, 9, 9)).assign(seed=5),
            task_rows("two", (0, 20, 20, 9)).assign(seed=0),
        ]
    )
    accuracies = by_seed(rows)
    assert accuracies[["seed", "task"]].to_numpy().tolist() == [[0, "one"], [5, "one"]]
    spread = over_seeds(accuracies).set_index("quantity")
    assert list(spread.index) == ["baseline", "icl", "task_vector", "recovered_gap"]
    assert spread.loc["recovered_gap", ["seed_0", "seed_5"]].tolist() == pytest.approx([0.5, 0.5])
    assert spread.loc["icl", ["mean", "low", "high"]].tolist() == pytest.approx([0.65, 0.6, 0.7])
    assert spread.loc["icl", "deviation"] == pytest.approx(0.1 / 2**0.5)


def test_a_gap_that_is_none_has_no_share() -> None:
    rows = [task_rows("one", (9, 9, 8, 9)).assign(seed=seed) for seed in (0, 1)]
    spread = over_seeds(by_seed(pd.concat(rows))).set_index("quantity")
    assert spread.loc["recovered_gap", ["seed_0", "mean", "low"]].isna().all()


def test_sizes_hold_quartiles_of_the_blocks() -> None:
    rows = [task_rows(f"task-{n}", (2, 10, 9, 9), layers=(n, 4)) for n in range(5)]
    table = by_task(pd.concat(rows, ignore_index=True))
    shown = bars(means(table, paper_by_task()))
    sizes = by_size(shown, table, pd.Series({"a-model": 6})).set_index("model")
    ours = sizes.loc["a-model"]
    assert ours[["layer_low", "layer", "layer_high", "depth"]].tolist() == [1, 2, 3, 6]
    assert ours["relative_depth"] == 0.5
    assert pd.isna(ours["parameters"])
    assert sizes.loc["llama-7b", "depth"] == 32
    assert sizes["layer"].notna().sum() == 4
