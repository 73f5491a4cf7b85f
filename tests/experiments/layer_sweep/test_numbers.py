import pandas as pd
import pytest

from tests.helpers.example_rows import swept_rows, task_rows
from tests.helpers.function_vector_rows import method_rows
from tvsight.experiments.layer_sweep.numbers import (
    by_method,
    curves,
    highest,
    method_means,
    on_test,
    with_intervals,
)
from tvsight.protocol.layers import by_layer, over_tasks, paper_by_layer, peaks


@pytest.fixture
def means() -> pd.DataFrame:
    """Of a model that bears the name of one of the paper's."""
    return curves(by_layer(swept_rows("one", [0, 2, 4, 1], "llama-7b")))


def test_curves_are_ours_then_the_papers(means: pd.DataFrame) -> None:
    ours = means[means["source"] == "tvsight"]
    assert ours["accuracy"].tolist() == [0, 0.5, 1, 0.25]
    theirs = means[means["source"] == "paper"].drop(columns="source").reset_index(drop=True)
    pd.testing.assert_frame_equal(theirs, over_tasks(paper_by_layer()))
    assert means["source"].tolist() == ["tvsight"] * len(ours) + ["paper"] * len(theirs)


def test_models_of_one_name_have_a_peak_each(means: pd.DataFrame) -> None:
    found = highest(means, method_means(by_method(task_rows("one", (2, 10, 9, 9)))))
    assert found["model"].tolist() == ["llama-7b", *peaks(over_tasks(paper_by_layer()))["model"]]
    llamas = found[found["model"] == "llama-7b"]
    assert llamas["source"].tolist() == ["tvsight", "paper"]
    assert llamas["depth"].tolist() == [4, 32]
    assert llamas["layer"].tolist() == [2, 14]


def test_a_layer_is_identified_by_its_dev_answers_whatever_is_stored() -> None:
    found = [task_rows("one", (2, 10, 9, 9)), task_rows("two", (4, 20, 9, 9), identified=False)]
    rows = pd.concat([*found, swept_rows("three", [0, 2])], ignore_index=True)
    is_stored = rows["layer_identified"].notna()
    for stored in (True, False):
        told = rows["layer_identified"].mask(is_stored, stored)
        table = on_test(rows.assign(layer_identified=told)).set_index("task")["layer_identified"]
        assert table[["one", "two"]].tolist() == [True, False]
        assert pd.isna(table["three"])  # no baseline was measured


def test_methods_have_their_mean_after_each_block() -> None:
    rows = pd.concat([method_rows("one", 9), method_rows("two", 9, layer=3)])
    found = method_means(by_method(pd.concat([task_rows("one", (2, 10, 9, 9)), rows])))
    assert set(found["procedure"]) == {"mean_state"}
    assert found["layer"].tolist() == list(range(6))
    assert found["accuracy"].tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3, 1 / 3, 1 / 3])
    assert method_means(by_method(task_rows("one", (2, 10, 9, 9)))).empty
    both = highest(curves(by_layer(task_rows("one", (2, 10, 9, 9)))), found)
    peak = both[both["source"] == "method"].iloc[0]
    assert both["source"].tolist() == ["tvsight", "method", "paper", "paper", "paper"]
    assert (peak["procedure"], peak["layer"], peak["tasks"]) == ("mean_state", 2, 2)


def test_the_block_of_a_peak_has_an_interval_over_tasks() -> None:
    rows = [swept_rows("one", [0, 4, 0, 0]), swept_rows("two", [0, 0, 0, 2])]
    alike = [swept_rows(task, [0, 4, 0, 1], "b-model") for task in ("one", "two")]
    alone = swept_rows("one", [0, 2, 4, 1], "c-model")
    table = by_layer(pd.concat([*rows, *alike, alone], ignore_index=True))
    found = with_intervals(highest(curves(table), method_means(by_method(alone))), table)
    ends = found.set_index("model")[["layer", "layer_low", "layer_high"]]
    first, *others = table["model"].unique()
    assert ends.loc[first].tolist() == [1, 1, 3]  # a sample of the second task alone is a fourth
    assert ends.loc[others[0]].tolist() == [1, 1, 1]
    assert ends.loc[others[1]].isna().tolist() == [False, True, True]
    assert found.loc[found["source"] == "paper", "layer_low"].isna().all()
