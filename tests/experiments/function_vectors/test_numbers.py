import pandas as pd
import pytest

from tests.helpers.function_vector_rows import (
    AT_THIRD,
    BLOCKS,
    CURVE,
    EFFECT,
    LAYER,
    RANDOM_HEADS,
    SETTINGS_RIGHT,
    SHUFFLED,
    SIZE,
    ZERO_SHOT,
    N,
    of_task,
    one_task,
    setting_rows,
    three_tasks,
)
from tvsight.experiments.function_vectors import BESIDE
from tvsight.experiments.function_vectors.numbers import (
    CHOSEN,
    COMPARED,
    TESTED,
    by_task,
    counts,
    curve,
    over_tasks,
    setting_line,
    settings_by_task,
    settings_over_tasks,
    shuffled,
    task_line,
    zero_shot,
)
from tvsight.statistics.tests import SIGNIFICANCE, holm


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    central, _, vectors = three_tasks()
    return by_task(central, vectors, SIZE)


def test_accuracies_are_the_shares_of_right_answers(table: pd.DataFrame) -> None:
    right = {"baseline": 2, "icl": 18, "task_vector": 15, "averaged_vector": 14, "mean_state": 9}
    right |= ZERO_SHOT | {"third": AT_THIRD["zero_shot"], "shuffled_third": AT_THIRD["shuffled"]}
    right |= {f"shuffled_{name}": count for name, count in SHUFFLED.items()}
    expected = {name: count / N for name, count in right.items()}
    expected["random_heads"] = sum(RANDOM_HEADS) / len(RANDOM_HEADS) / N
    assert set(expected) == set(COMPARED)
    for _, row in table.iterrows():
        assert {name: row[name] for name in COMPARED} == pytest.approx(expected)
        assert (row["n"], row["queries"], row["layer"]) == (N, N, LAYER)
        chosen = {f"shuffled_{name}": block for name, block in BLOCKS["shuffled"].items()}
        chosen["raw_vector"] = BLOCKS["zero_shot"]["raw_vector"]
        assert {name: row[f"{name}_layer"] for name in CHOSEN} == chosen
    assert (table["shuffled_function_vector_low"] < SHUFFLED["function_vector"] / N).all()


def test_differences_are_paired_and_random_heads_with_all_their_draws(table: pd.DataFrame) -> None:
    row = table.iloc[0]
    assert row["over_baseline"] == pytest.approx((12 - 2) / N)
    assert row["behind_task_vector"] == pytest.approx((15 - 12) / N)
    draws = sum(RANDOM_HEADS) / len(RANDOM_HEADS)
    assert row["over_random_heads"] == pytest.approx((12 - draws) / N)
    assert row["over_random_heads"] == pytest.approx(row["function_vector"] - row["random_heads"])
    # Seven queries lead by two of two draws, two by one. Signs that sum up to as much: all alike.
    assert row["over_random_heads_p"] == pytest.approx(2**-9)
    assert row["over_other"] == pytest.approx((12 - 4) / N)
    assert row["over_shuffled"] == pytest.approx((13 - 8) / N)
    assert row["behind_shuffled_task_vector"] == pytest.approx((16 - 13) / N)
    # Ten episodes differ, all in one direction: one of 2 ** 10 swaps is as far.
    assert row["over_baseline_p"] == pytest.approx(2**-10)
    assert row["behind_task_vector_p"] == pytest.approx(2**-3)


def test_a_layer_is_identified_by_its_sweep(table: pd.DataFrame) -> None:
    # Six dev episodes, all right after one block of six and never without a vector.
    assert table["layer_identified"].all()
    assert table["layer_p"].tolist() == pytest.approx([2**-6] * 3)


def test_counts_are_adjusted_for_the_tasks(table: pd.DataFrame) -> None:
    (found,) = counts(table).to_dict("records")
    assert found["tasks"] == 3
    for name in TESTED:
        adjusted = holm(table[f"{name}_p"])
        assert found[name] == int((adjusted < SIGNIFICANCE).sum())
    assert found["over_baseline"] == 3
    assert found["behind_task_vector"] == 0
    assert found["over_shuffled"] == 0, "2 ** -5, three times"
    assert found["identified"] == 3, "2 ** -6, three times"


def test_means_are_over_tasks_with_the_gap_between_baseline_and_icl() -> None:
    tables = [of_task("one", EFFECT["one"]), of_task("two", EFFECT["two"], less=1)]
    central, _, vectors = (
        pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True)
    )
    found = over_tasks(by_task(central, vectors, SIZE)).set_index("procedure")
    assert list(found.index) == list(COMPARED)
    assert (found["tasks"] == 2).all()
    vector = found.loc["function_vector"]
    assert vector["accuracy"] == pytest.approx(11.5 / N)
    assert vector["recovered_gap"] == pytest.approx((11.5 - 2) / 16)
    assert vector["below"] == 0
    assert found.loc["raw_vector", "below"] == pytest.approx(2 / N)
    assert found.loc["shuffled_baseline", "below"] == pytest.approx((13 - 8) / N)
    assert found.loc[["shuffled_baseline", "shuffled_third"], "recovered_gap"].isna().all()


def test_the_curve_is_over_numbers_of_heads_after_the_chosen_block() -> None:
    found = curve(three_tasks().vectors)
    right = CURVE | {SIZE: ZERO_SHOT["function_vector"]}
    assert found["heads"].tolist() == sorted(right)
    assert found["accuracy"].tolist() == pytest.approx([right[n] / N for n in sorted(right)])
    assert (found["tasks"] == 3).all()


def test_the_rows_of_one_method_are_those_of_the_chosen_size_and_block() -> None:
    found = zero_shot(one_task().vectors)
    assert set(found["procedure"]) == {"function_vector"}
    assert set(found["heads"]) == {SIZE}
    test = found[found["split"] == "test"]
    assert len(test) == N
    assert test["correct"].sum() == ZERO_SHOT["function_vector"]
    assert sorted(found.loc[found["split"] == "dev", "layer"].unique()) == list(range(6))


def test_methods_with_shuffled_labels_stand_beside_icl_with_the_right_ones() -> None:
    central, _, vectors = three_tasks()
    found = shuffled(central, vectors)
    assert list(found) == list(central)
    test = found[(found["split"] == "test") & (found["task"] == "two")]
    right = test.groupby("procedure", sort=False)["correct"].sum().to_dict()
    assert right == SHUFFLED | {"icl": 18}
    assert list(right) == ["baseline", "icl", *BESIDE, "function_vector"]
    assert (test.groupby("procedure").size() == N).all()
    by_name = found[found["split"] == "dev"].groupby("procedure")["layer"].nunique().to_dict()
    assert by_name == {"baseline": 0, **dict.fromkeys((*BESIDE, "function_vector"), 6)}
    layers = test.groupby("procedure")["layer"].first().dropna().to_dict()
    assert layers == BLOCKS["shuffled"]


def test_the_line_of_a_task_has_both_contexts() -> None:
    said = task_line(one_task().vectors)
    assert said.startswith("zero-shot 0.60 [")
    assert "  shuffled 0.65 [" in said
    assert said.endswith(f"block {LAYER}  {SIZE} heads")


def test_vectors_at_equal_freedom_are_paired_with_each_other_and_with_the_comparison() -> None:
    central = three_tasks().central
    rows = pd.concat([setting_rows("one"), setting_rows("two", less=2)], ignore_index=True)
    table = settings_by_task(central, rows)
    assert len(table) == 2 * 2 * len(SETTINGS_RIGHT)
    assert set(table["category"]) == {"custom"}
    tuned = table[(table["task"] == "two") & (table["setting"] == "tuned")]
    by_vector = tuned.set_index(["procedure", "heads_of", "operation"])
    heads = by_vector.loc[("function_vector", "own", "add")]
    assert heads["accuracy"] == pytest.approx(12 / N)
    assert (heads["heads"], heads["factor"], heads["layer"]) == (20, 2.0, LAYER)
    expected = {"gained": 6, "over_own_mean": 4, "over_written": -2, "over_others": 3}
    expected |= {"below_icl": 18 - 12, "below_task_vector": 15 - 12}
    for name, right in expected.items():
        assert heads[name] == pytest.approx(right / N), name
    assert (heads["baseline"], heads["icl"]) == (2 / N, 18 / N)
    assert heads["gained_p"] == pytest.approx(2**-6)
    written = by_vector.loc[("own_mean", "none", "overwrite")]
    assert written[["over_own_mean", "over_written", "over_others"]].isna().all()
    assert pd.isna(written["heads"])
    fixed = table[table["setting"] == "fixed"]
    assert fixed["gained"].isna().all()

    means = settings_over_tasks(table).set_index(["procedure", "heads_of", "operation", "setting"])
    mean = means.loc[("mean_state", "none", "overwrite", "tuned")]
    assert mean["accuracy"] == pytest.approx((16 + 14) / 2 / N)
    assert mean["over_own_mean"] == pytest.approx(0)
    assert mean["recovered_gap"] == pytest.approx((15 - 2) / (18 - 2))
    assert mean["tasks"] == 2


def test_the_line_of_a_task_says_what_the_tuned_vectors_answer() -> None:
    line = setting_line(setting_rows("one"))
    assert line.startswith("tuned: function_vector add 0.70, function_vector overwrite 0.20, ")
