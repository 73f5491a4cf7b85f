from typing import Any

import pandas as pd
import pytest

from tests.helpers.example_rows import swept_rows
from tvsight.errors import UsageError
from tvsight.protocol.layers import by_layer, common_block, over_tasks, paper_by_layer, peaks
from tvsight.statistics.summaries import layer_p


@pytest.fixture
def table() -> pd.DataFrame:
    return by_layer(pd.concat([swept_rows("one", [0, 2, 4, 1]), swept_rows("two", [0, 4, 4, 3])]))


def test_accuracy_is_that_of_dev_answers_by_block(table: pd.DataFrame) -> None:
    one = table[table["task"] == "one"]
    assert one["accuracy"].tolist() == [0, 0.5, 1, 0.25]
    assert one["relative_depth"].tolist() == [0.25, 0.5, 0.75, 1]
    assert one["layer"][one["chosen"]].tolist() == [2]
    assert set(table["n"]) == {4}


def test_the_band_is_the_deviation_over_tasks(table: pd.DataFrame) -> None:
    means = over_tasks(table)
    assert means["accuracy"].tolist() == [0, 0.75, 1, 0.5]
    assert means["deviation"].tolist() == [0, 0.25, 0, 0.25]
    assert means["tasks"].tolist() == [2, 2, 2, 2]
    assert over_tasks(table[table["task"] == "one"])["deviation"].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("right", "expected"),
    [([1, 10, 9, 8, 9], (1, 1, 2)), ([10, 10, 3, 9], (0, 0, 1)), ([0, 0, 0, 0], (0, 0, 3))],
)
def test_a_peak_is_the_first_best_block_and_its_range_is_unbroken(
    right: list[int], expected: tuple[int, int, int]
) -> None:
    (found,) = peaks(over_tasks(by_layer(swept_rows("one", right, n=10)))).to_dict("records")
    assert (found["layer"], found["first"], found["last"]) == expected
    assert found["accuracy"] == max(right) / 10


def test_the_common_block_is_where_the_mean_of_each_model_peaks() -> None:
    rows = [
        swept_rows("one", [0, 4, 1, 0]),
        swept_rows("two", [0, 0, 4, 4]),
        swept_rows("one", [1, 2], "b-model"),
    ]
    assert common_block(pd.concat(rows)) == {"a-model": 2, "b-model": 1}
    assert common_block(pd.concat(rows), 1) == {"a-model": 1, "b-model": 1}
    both = by_layer(pd.concat(rows))
    assert both.groupby("model")["relative_depth"].max().tolist() == [1, 1]
    assert peaks(over_tasks(both))["depth"].tolist() == [4, 2]


@pytest.mark.parametrize("asked", [-1, 2])
def test_a_block_that_a_model_lacks_is_refused(asked: int) -> None:
    rows = pd.concat([swept_rows("one", [0, 4, 1, 0]), swept_rows("one", [1, 2], "b-model")])
    with pytest.raises(UsageError, match=f"--layer {asked}: [ab]-model has blocks 0 to [13]"):
        common_block(rows, asked)


def test_the_papers_curves_have_the_columns_of_ours_and_no_chosen_block(
    table: pd.DataFrame,
) -> None:
    paper = paper_by_layer()
    assert set(paper) == set(table)
    assert table["chosen"].any()
    assert not paper["chosen"].any()


def test_the_papers_curves_peak_where_the_paper_says() -> None:
    paper = paper_by_layer()
    assert paper.groupby("model")["task"].nunique().to_dict() == dict.fromkeys(
        ["gpt-j-6b", "llama-7b", "pythia-6.9b"], 18
    )
    found = peaks(over_tasks(paper)).set_index("model")
    assert (found["accuracy"] > 0.5).all()
    assert ((found["layer"] + 1) / found["depth"]).between(0.25, 0.6).all()


def test_a_layer_is_identified_by_queries_and_not_by_episodes() -> None:
    rows = [
        {"episode": n, "layer": layer, "query": f"query {n}", "correct": layer == 1 and n < 5}
        for layer in range(3)
        for n in range(8)
    ]
    baseline = [{"episode": n, "query": f"query {n}", "correct": False} for n in range(8)]
    assert layer_p(pd.DataFrame(rows), pd.DataFrame(baseline[::-1])) == 2**-5
    assert layer_p(rows, [row | {"query": "one"} for row in baseline]) == 1 / 2


@pytest.mark.parametrize("wrong", [slice(0, -1), [*range(8), *range(8)]])
def test_a_block_with_other_episodes_than_the_baseline_is_refused(wrong: Any) -> None:
    rows = pd.DataFrame({"episode": range(8), "layer": 0, "query": "one", "correct": True})
    with pytest.raises(ValueError, match=r"reshape|every episode"):
        layer_p(rows.iloc[wrong], rows)
