import pandas as pd
import pytest

from tests.helpers.head_rows import (
    DEPTH,
    HEADS,
    ICL,
    RIGHT,
    SCORES,
    ablations_of_two,
    effects_of_two,
    induction_rows,
)
from tvsight.experiments.heads import CHOOSES
from tvsight.experiments.heads.numbers import (
    agreement,
    by_induction,
    by_task,
    over_tasks,
    scores,
    task_line,
)
from tvsight.protocol.head_numbers import by_fv, effects


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return by_task(pd.concat(ablations_of_two(), ignore_index=True))


def row(table: pd.DataFrame, kind: str, share: float = 0.2, **of: str) -> pd.Series:
    found = table[(table["kind"] == kind) & (table["share"] == share)]
    of = {"replaced_by": "other_tasks"} | of
    for name, value in of.items():
        found = found[found[name] == value]
    (one,) = found.index
    return found.loc[one]


def test_heads_are_ranked_by_the_mean_of_the_tasks_that_choose() -> None:
    one, two = map(effects, effects_of_two())
    assert by_fv(one)[:2] == [(1, 2), (2, 0)]
    assert by_fv(two)[:2] == [(2, 0), (1, 2)]
    assert by_fv(pd.concat([one, two]))[:2] == [(1, 2), (2, 0)]
    equal = by_fv(one)[2:]
    assert equal == sorted(equal)
    assert len(equal) == DEPTH * HEADS - 2


def test_induction_heads_are_ranked_by_one_definition() -> None:
    rows = induction_rows(SCORES)
    assert by_induction(rows, CHOOSES)[:3] == [(0, 1), (2, 3), (1, 2)]
    reverse = rows.assign(score=rows["score"].where(rows["definition"] == CHOOSES, 0.0))
    assert by_induction(reverse, "four_times")[:2] == [(0, 0), (0, 1)]


def test_both_scores_of_every_head_stand_side_by_side() -> None:
    other = effects_of_two("another-model")
    found = scores(pd.concat(effects_of_two() + other), induction_rows(SCORES))
    assert len(found) == DEPTH * HEADS
    assert set(found["model"]) == {"a-model"}
    top = found.iloc[0]
    assert (top["layer"], top["head"], top["tasks"], top["fv_rank"]) == (1, 2, 2, 1)
    assert top["fv"] == pytest.approx((0.5 + 0.1) / 2)
    assert (top["induction"], top["induction_rank"]) == (0.2, 3)
    assert top["induction_four_times"] == pytest.approx(0.1)
    assert top["induction_high"] - top["induction"] == pytest.approx(1.96 * 0.1 / 10)
    assert sorted(found["induction_rank"]) == list(range(1, DEPTH * HEADS + 1))


def test_agreement_counts_the_heads_in_both_tops() -> None:
    apart = scores(pd.concat(effects_of_two()), induction_rows(SCORES))
    same = scores(pd.concat(effects_of_two()), induction_rows({(1, 2): 0.9}))
    (one,), (other,) = (agreement(t).to_dict("records") for t in (apart, same))
    assert (one["heads"], one["top"], one["shared"]) == (12, 1, 0)
    assert (other["shared"], other["expected"]) == (1, pytest.approx(1 / 12))
    assert (one["p"], other["p"]) == (pytest.approx(1), pytest.approx(1 / 12))
    assert one["definitions"] == pytest.approx(1)
    assert other["correlation"] > one["correlation"]


def test_each_kind_is_compared_with_icl_with_random_heads_and_with_the_other(
    table: pd.DataFrame,
) -> None:
    one = row(table, "fv", task="one")
    random = (2 * RIGHT["random"] - 1) / 2  # the second draw has one less
    assert (one["heads"], one["n"], one["queries"]) == (3, 20, 20)
    assert one["accuracy"] == RIGHT["fv"] / 20
    assert one["icl"] == ICL / 20
    assert one["loss"] == pytest.approx((ICL - RIGHT["fv"]) / 20)
    assert one["beyond_random"] == pytest.approx((random - RIGHT["fv"]) / 20)
    assert one["beyond_other"] == pytest.approx((RIGHT["induction"] - RIGHT["fv"]) / 20)
    assert one["loss_p"] == 0.5 ** (ICL - RIGHT["fv"])
    assert one["loss_p_holm"] == 2 * one["loss_p"]
    assert row(table, "random", task="one")["accuracy"] == pytest.approx(random / 20)
    assert row(table, "induction", task="one")["beyond_other_p"] == 1
    excluding = row(table, "fv_excluding", task="one")
    lead = RIGHT["induction_excluding"] - RIGHT["fv_excluding"]
    assert excluding["beyond_other"] == pytest.approx(lead / 20)
    assert row(table, "random", task="one")[["beyond_random", "beyond_other_p"]].isna().all()


def test_means_are_over_tasks_and_count_those_that_differ(table: pd.DataFrame) -> None:
    means = over_tasks(table.replace({"task": {"two": "to_upper"}}))
    assert means.groupby("group", sort=False)["tasks"].unique().to_dict() == {
        **{"all": [2], "copying": [1], "rest": [1]}
    }
    assert len(means) == 3 * 3 * 10
    (rest,) = means.query("group == 'rest' and kind == 'fv' and share == 0.2").head(1)["loss"]
    assert rest == pytest.approx((ICL - RIGHT["fv"]) / 20)
    means = means[means["group"] == "all"]
    assert row(means, "fv")["beyond_own"] == pytest.approx(1 / 20)
    own = row(means, "fv", replaced_by="own_task")
    assert pd.isna(own["beyond_own"])
    assert own["loss"] == pytest.approx(0.6 - 1 / 20)
    fv = row(means, "fv")
    assert (fv["tasks"], fv["accuracy"], fv["icl"]) == (2, pytest.approx(0.1), pytest.approx(0.7))
    assert fv["loss"] == pytest.approx(0.6)
    assert (fv["accuracy_low"], fv["accuracy_high"]) == (0, 0.2)
    assert (fv["loss_tasks"], fv["beyond_random_tasks"], fv["beyond_other_tasks"]) == (2, 2, 2)
    assert row(means, "induction")["beyond_other_tasks"] == 0
    small = row(means, "fv", 0.05)
    assert (small["loss_tasks"], small["heads"]) == (0, 1)


def test_a_line_says_the_accuracy_without_the_largest_sets() -> None:
    line = task_line(ablations_of_two()[0])
    assert line == "ICL 0.80  without 3 heads: FV 0.20, induction 0.60, random 0.68"
