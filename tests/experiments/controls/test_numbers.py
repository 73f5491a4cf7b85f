import pandas as pd
import pytest
from scipy import stats

from tests.helpers.control_rows import ALONE, DEPTH, LAYER, RIGHT, N, one_task, three_tasks
from tvsight.errors import MeasurementError
from tvsight.experiments.controls.numbers import (
    by_block,
    by_task,
    over_tasks,
    recognised,
    seen,
    shuffled_shares,
    task_line,
    transfer,
    transfer_by_task,
)
from tvsight.output.procedures import BESIDE_CONTROLS, CONTROLS


def test_a_task_has_the_accuracy_of_every_procedure() -> None:
    table = by_task(*three_tasks())
    assert table["task"].tolist() == ["one", "two", "three"]
    assert table["task_vector"].tolist() == [0.8, 0.6, 0.25]
    assert table["baseline"].tolist() == [0.1] * 3
    for name, count in RIGHT.items():
        assert table[name].tolist() == [count / N] * 3
        low, high = stats.binomtest(count, N).proportion_ci(method="wilson")
        assert table[f"{name}_low"].tolist() == pytest.approx([low] * 3)
        assert table[f"{name}_high"].tolist() == pytest.approx([high] * 3)
    assert table["own_mean"].tolist() == [0.75, 0.55, 0.3]
    assert table["best_other_source"].tolist() == ["three", "one", "one"]
    assert table["best_other"].tolist() == [0.0, 0.6, 0.0]
    assert table[["n", "queries", "layer"]].to_numpy().tolist() == [[N, N, LAYER]] * 3


def test_the_vector_is_tested_against_each_control_on_the_same_episodes() -> None:
    table = by_task(*three_tasks()).set_index("task")
    # The first answers of both are right, so the pairs that differ all speak for one of them.
    assert table.loc["one", "better_random_vector"] == pytest.approx(0.5**16)
    assert table.loc["one", "better_shuffled_labels"] == pytest.approx(0.5**4)
    assert table.loc["one", "worse_shuffled_labels"] == 1
    assert table.loc["two", "better_shuffled_labels"] == 1
    assert table.loc["three", "worse_shuffled_labels"] == pytest.approx(0.5**7)
    assert table.loc["one", "better_baseline"] == table.loc["one", "better_no_op"]
    # A mean vector is tested against a mean vector, and ICL against its own vector.
    assert table.loc["one", "better_best_other"] == pytest.approx(0.5**15)
    assert table.loc["two", "better_best_other"] == 1
    assert table.loc["two", "worse_best_other"] == pytest.approx(0.5)
    assert table["better_icl_shuffled"].tolist() == pytest.approx([0.5**3] * 3)
    # Counts of tasks are adjusted for their number.
    assert table.loc["three", "better_random_vector_holm"] == 0.5**5
    assert table.loc["one", "better_random_vector_holm"] == 3 * 0.5**16
    assert table.loc["three", "worse_shuffled_labels_holm"] == 3 * 0.5**7
    # Three differ, all for the vector: 1/8 alone. Its no-op gives the baseline's answers.
    assert table.loc["three", "better_baseline"] == 1 / 8
    central, rows = three_tasks()
    reversed_rows = by_task(central, rows.iloc[::-1]).set_index("task")
    pd.testing.assert_frame_equal(table, reversed_rows.loc[::-1])


def test_controls_of_other_episodes_or_another_block_are_refused() -> None:
    central, rows = three_tasks()
    with pytest.raises(MeasurementError, match="not of the episodes"):
        by_task(central, rows.assign(query=rows["query"] + "?"))
    with pytest.raises(MeasurementError, match="and the block"):
        by_task(central, rows.assign(layer=LAYER + 1))


def test_means_leads_and_counts() -> None:
    means = over_tasks(by_task(*three_tasks())).set_index("procedure")
    assert list(means.index) == list(BESIDE_CONTROLS)
    assert set(means["tasks"]) == {3}
    assert means.loc["baseline", "better"] == 2
    assert means.loc["task_vector", "accuracy"] == pytest.approx(0.55)
    random = means.loc["random_vector"]
    assert (random["accuracy"], random["lead"]) == pytest.approx((0, 0.55))
    assert (random["lead_low"], random["lead_high"]) == pytest.approx((0.25, 0.8))
    shuffled = means.loc["shuffled_labels"]
    assert shuffled["lead"] == pytest.approx(0.55 - 0.6)
    assert (shuffled["better"], shuffled["worse"]) == (0, 1)
    assert means.loc["random_vector", "better"] == 3
    assert pd.isna(means.loc["icl", "better"])
    best = means.loc["best_other"]
    assert (best["accuracy"], best["lead"]) == pytest.approx((0.2, (0.75 - 0.05 + 0.3) / 3))
    assert (best["compared_with"], best["better"]) == ("own_mean", 2)
    icl = means.loc["icl_shuffled"]
    assert (icl["compared_with"], icl["lead"]) == ("shuffled_labels", pytest.approx(0.15))
    for name in ("lead", "better", "worse"):
        assert means.loc["no_op", name] == means.loc["baseline", name]


def test_shuffled_labels_leave_a_share_of_the_vector_and_of_icl() -> None:
    (share,) = shuffled_shares(by_task(*three_tasks())).to_dict("records")
    assert share["tasks"] == 3
    assert share["vector_share"] == pytest.approx(0.6 / 0.55)
    assert share["icl_share"] == pytest.approx(0.45 / 0.9)
    assert share["difference"] == pytest.approx(0.6 / 0.55 - 0.5)
    assert share["icl_share_low"] == share["icl_share_high"] == pytest.approx(0.5)
    # The lowest share is of three times the best task's vector, the highest of the worst one's.
    assert share["vector_share_low"] == pytest.approx(0.6 / 0.8)
    assert share["vector_share_high"] == pytest.approx(0.6 / 0.25)


def test_one_task_has_no_controls_of_others() -> None:
    central, rows = one_task()
    table = by_task(central, rows)
    assert pd.isna(table.loc[0, "any_other_task"])
    assert pd.isna(table.loc[0, "better_any_other_task"])
    assert pd.isna(table.loc[0, "best_other"])
    alone = {"baseline", "icl", "task_vector", "own_mean", *ALONE}
    assert set(over_tasks(table)["procedure"]) == alone
    assert transfer(central, rows).empty


def test_every_pair_of_tasks_has_an_accuracy() -> None:
    pairs = transfer(*three_tasks())
    grid = pairs.pivot(index="task", columns="source", values="accuracy")
    names = ["one", "two", "three"]
    assert grid.loc[names, names].to_numpy().tolist() == [
        [0.75, 0.5, 0.0],
        [0.6, 0.55, 0.1],
        [0.0, 0.0, 0.3],
    ]
    on_dev = pairs.pivot(index="task", columns="source", values="dev_accuracy")
    assert on_dev.loc["one", names].tolist() == [1, 0, 0.5]
    best = pairs[pairs["best_on_dev"]]
    assert dict(zip(best["task"], best["source"], strict=True)) == {
        **{"one": "three", "two": "one", "three": "one"}
    }
    tested = pairs.set_index(["task", "source"])["better"]
    assert tested["one", "two"] == pytest.approx(0.5**5)
    assert tested["two", "one"] == 1
    assert pd.isna(tested["two", "two"])


def test_other_tasks_by_category_and_the_best_of_them() -> None:
    table = transfer_by_task(transfer(*three_tasks())).set_index("task")
    assert table.loc["two", ["same_category", "other_categories"]].tolist() == [0.6, 0.1]
    assert table.loc["one", ["best_source", "best"]].tolist() == ["three", 0.0]
    assert table.loc["two", ["best_source", "best"]].tolist() == ["one", 0.6]
    assert table.loc["three", ["best_source", "best"]].tolist() == ["", 0.0]  # none is right on dev
    assert table["beaten"].to_dict() == {"one": True, "two": False, "three": True}
    assert table["not_worse"].to_dict() == {"one": 0, "two": 1, "three": 0}
    assert pd.isna(table.loc["three", "same_category"])
    assert set(table["sources"]) == {2}


def test_recognition_has_a_row_for_every_procedure() -> None:
    central, rows = three_tasks()
    table = recognised(central, rows[rows["task"] != "three"])
    assert set(table["task"]) == {"one", "two"}
    shown = {"baseline", "icl", "task_vector", "icl_shuffled", *CONTROLS}
    assert set(table["procedure"]) == shown
    # All answers are `yes`, so a prediction in the set is a right one.
    assert table["in_set"].tolist() == table["accuracy"].tolist()


def test_curves_are_means_of_dev_answers_after_each_block() -> None:
    central, rows = three_tasks()
    few = rows[rows["task"] != "three"]
    blocks = by_block(central, few)
    assert list(dict.fromkeys(blocks["procedure"])) == ["task_vector", *CONTROLS]
    assert set(blocks["tasks"]) == {2}
    assert set(blocks["n"]) == {2, 6}
    for _, line in blocks[blocks["procedure"] != "task_vector"].groupby("procedure"):
        assert line["layer"].tolist() == list(range(DEPTH))
        assert line["accuracy"].tolist() == [float(b == LAYER) for b in range(DEPTH)]


def test_a_task_has_a_line() -> None:
    _, rows = three_tasks()
    line = task_line(rows[rows["task"] == "one"])
    assert "Shuffled labels 0.60 [0.39, 0.78]" in line
    assert "Another task's vector 0.20" in line
    assert "ICL, shuffled labels 0.45" in line
    assert line.endswith("block 3  n 20")


def test_queries_that_dev_shows_are_compared_with_others() -> None:
    # Own mean vector and ICL on two queries that dev shows and two that it does not.
    right = {"one": ([1, 0, 1, 1], [1, 1, 0, 0]), "two": ([1, 1, 0, 0], [1, 1, 0, 0])}
    rows = pd.DataFrame(
        [
            {
                **{"model": "m", "category": "c", "task": task, "split": "test"},
                **{"episode": number, "query": f" q{number}", "procedure": procedure},
                **{"source": task, "correct": bool(correct)},
            }
            for task, of in right.items()
            for procedure, answers in zip(("mean_vector", "icl"), of, strict=True)
            for number, correct in enumerate(answers)
        ]
    )
    central, controls = (rows[rows["procedure"] == name] for name in ("icl", "mean_vector"))
    shown = {("m", task): {"q0", "q1"} for task in right}
    (found,) = seen(central, controls, shown).to_dict("records")
    assert (found["seen"], found["unseen"], found["difference"]) == (-0.25, 0.5, -0.75)
    assert seen(central, controls, {("m", "one"): shown["m", "one"]})["tasks"].tolist() == [1]
    assert seen(central, controls, {}).empty
