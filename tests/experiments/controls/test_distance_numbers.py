import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from tests.helpers.control_rows import CATEGORIES, eighteen_tasks, three_tasks
from tests.helpers.vector_examples import eighteen, vector_set
from tvsight.experiments.controls.distance_numbers import (
    ALL,
    KEPT,
    MOST_NAMED,
    WITHIN,
    correlations,
    pairs,
    remarkable,
)
from tvsight.experiments.controls.numbers import transfer


@pytest.fixture(scope="module")
def three() -> pd.DataFrame:
    return pairs(transfer(*three_tasks()), [vector_set(CATEGORIES)])


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    return pairs(transfer(*eighteen_tasks()), [eighteen()])


def test_each_pair_has_its_distance_and_the_accuracy_with_the_others_vector(
    three: pd.DataFrame,
) -> None:
    given = vector_set(CATEGORIES)
    means = {task: given.vectors[given.tasks == task].mean(axis=0) for task in CATEGORIES}
    answered = {("one", "two"): 0.5, ("two", "one"): 0.6, ("two", "three"): 0.1}
    assert len(three) == 6
    for _, row in three.iterrows():
        task, source = row["task"], row["source"]
        assert row["distance"] == pytest.approx(np.linalg.norm(means[task] - means[source]))
        assert row["accuracy"] == pytest.approx(answered.get((task, source), 0))
        assert (row["category"], row["source_category"]) == (CATEGORIES[task], CATEGORIES[source])
        assert (row["layer"], row["n"]) == (3, 20)


def test_a_task_without_controls_is_asked_nothing_and_correlated_with_none() -> None:
    central, rows = three_tasks()
    table = pairs(transfer(central, rows[rows["task"] != "three"]), [vector_set(CATEGORIES)])
    assert set(table["task"]) == {"one", "two"}
    assert set(table["source"]) == set(CATEGORIES)
    found = correlations(table)
    assert found["tasks"].tolist() == [2, 2]
    assert found[["correlation", "correlation_p"]].isna().all(axis=None)


def test_correlations_are_over_all_pairs_and_within_each_asked_task(many: pd.DataFrame) -> None:
    found = correlations(many).set_index("ranked")
    assert found["pairs"].tolist() == [306, 306]
    whole = spearmanr(many["distance"], many["accuracy"]).statistic
    assert found.loc[ALL, "correlation"] == pytest.approx(whole)
    within = [spearmanr(g["distance"], g["accuracy"]).statistic for _, g in many.groupby("task")]
    assert found.loc[WITHIN, "correlation"] == pytest.approx(np.mean(within))
    assert found.loc[ALL, "correlation_low"] < whole < found.loc[ALL, "correlation_high"]


def test_shares_are_of_the_own_accuracy_where_there_is_enough(three: pd.DataFrame) -> None:
    shares = three.set_index(["task", "source"])["share"]
    assert shares["one", "two"] == pytest.approx(0.5 / 0.75)
    assert shares["two", "one"] == pytest.approx(0.6 / 0.55)
    assert shares["three"].tolist() == [0, 0]
    assert three["works"].tolist() == (three["share"] >= KEPT).tolist()
    assert not three["twins"].any()
    central, rows = three_tasks()
    seldom = rows.assign(correct=rows["correct"] & (rows["episode"] < 3))
    few = pairs(transfer(central, seldom), [vector_set(CATEGORIES)])
    assert few["share"].isna().all()
    assert not few["works"].any()


def test_twins_share_a_word_list_and_working_ones_are_named(many: pd.DataFrame) -> None:
    twins = set(zip(many["task"][many["twins"]], many["source"][many["twins"]], strict=True))
    assert {("en_es", "en_fr"), ("next_letter", "to_upper")} <= twins
    assert ("en_es", "antonyms") not in twins
    named = remarkable(many)
    assert named["works"].all()
    assert set(named.index[named["twins"]]) == set(many.index[many["works"] & many["twins"]])
    others = many.loc[~many["twins"] & many["works"], "share"]
    assert named["share"][~named["twins"]].tolist() == others.nlargest(MOST_NAMED).tolist()
