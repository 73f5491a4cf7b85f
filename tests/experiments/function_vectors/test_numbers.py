import pandas as pd
import pytest

from tests.helpers.function_vector_rows import (
    AT_THIRD,
    CURVE,
    EFFECT,
    LAYER,
    RANDOM_HEADS,
    SHUFFLED,
    SIZE,
    ZERO_SHOT,
    N,
    effect_rows,
    of_task,
    one_task,
    three_tasks,
)
from tvsight.experiments.function_vectors.numbers import (
    COMPARED,
    TESTED,
    by_task,
    counts,
    curve,
    effects,
    over_tasks,
    overlap,
    ranking,
    task_line,
    universal,
    zero_shot,
)
from tvsight.statistics.tests import SIGNIFICANCE, holm


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    central, _, vectors = three_tasks()
    return by_task(central, vectors, SIZE)


def test_effects_are_means_over_prompts_with_their_ranks() -> None:
    found = effects(three_tasks().effects).set_index(["task", "layer", "head"])
    assert len(found) == 3 * 2 * 4
    for task, effect in EFFECT.items():
        for layer, of_layer in enumerate(effect):
            for head, value in enumerate(of_layer):
                row = found.loc[(task, layer, head)]
                assert row["effect"] == pytest.approx(value)
                assert row["log_effect"] == pytest.approx(2 * value)
                # Two prompts, 0.02 apart: the standard error is 0.01.
                assert row["effect_high"] - row["effect"] == pytest.approx(1.96 * 0.01)
                assert row["effect"] - row["effect_low"] == pytest.approx(1.96 * 0.01)
                assert row["prompts"] == 2
    assert found.loc[("one", 0, 0), "rank"] == 1
    assert found.loc[("one", 1, 1), "rank"] == 2
    assert found.loc[("one", 1, 2), "rank"] == 8


def test_heads_of_equal_effect_come_from_the_lowest() -> None:
    rows = effect_rows("one", [[0.0, 0.5, 0.0], [0.5, 0.0, 0.1]])
    assert ranking(rows) == [(0, 1), (1, 0), (1, 2), (0, 0), (0, 2), (1, 1)]
    mixed = rows.sort_values(["head", "layer"], ascending=False)
    assert ranking(mixed) == ranking(rows)


def test_means_over_tasks_come_by_effect_with_the_vectors_that_have_the_head() -> None:
    found = universal(effects(three_tasks().effects), SIZE)
    first = found.iloc[0]
    assert (first["layer"], first["head"], first["tasks"], first["in_top"]) == (0, 0, 3, 3)
    assert first["effect"] == pytest.approx((0.5 + 0.3 + 0.1) / 3)
    assert first["effect_low"] <= first["effect"] <= first["effect_high"]
    assert found["effect"].is_monotonic_decreasing
    by_head = found.set_index(["layer", "head"])["in_top"]
    assert by_head[(1, 3)] == by_head[(1, 1)] == by_head[(0, 3)] == 1
    assert by_head.sum() == 3 * SIZE


def test_shared_heads_are_compared_with_random_sets() -> None:
    found = overlap(effects(three_tasks().effects), SIZE)
    assert found[["task", "other"]].to_numpy().tolist() == [
        ["one", "two"],
        ["one", "three"],
        ["two", "three"],
    ]
    assert found["shared"].tolist() == [1, 1, 1]
    assert found["expected"].tolist() == pytest.approx([2 * 2 / 8] * 3)
    # Of 28 pairs of 8 heads, 15 have neither of two given ones.
    assert found["p"].tolist() == pytest.approx([13 / 28] * 3)
    assert found["p_holm"].tolist() == pytest.approx([1.0] * 3)
    assert found["more"].tolist() == [False] * 3


def test_the_same_heads_of_many_are_more_than_random() -> None:
    many = [[0.5, 0.4, *[0.0] * 18]]
    same = pd.concat([effect_rows(task, many) for task in ("one", "two")], ignore_index=True)
    (pair,) = overlap(effects(same), SIZE).to_dict("records")
    assert pair["p"] == pytest.approx(1 / 190)
    assert (pair["shared"], pair["more"]) == (2, True)
    assert overlap(effects(effect_rows("one", many)), SIZE).empty


def test_accuracies_are_the_shares_of_right_answers(table: pd.DataFrame) -> None:
    right = {"baseline": 2, "icl": 18, "task_vector": 15, "mean_state": 9}
    right |= ZERO_SHOT | {"third": AT_THIRD["zero_shot"], "shuffled_third": AT_THIRD["shuffled"]}
    right |= {f"shuffled_{name}": count for name, count in SHUFFLED.items()}
    expected = {name: count / N for name, count in right.items()}
    expected["random_heads"] = sum(RANDOM_HEADS) / len(RANDOM_HEADS) / N
    assert set(expected) == set(COMPARED)
    for _, row in table.iterrows():
        assert {name: row[name] for name in COMPARED} == pytest.approx(expected)
        assert (row["n"], row["queries"], row["layer"]) == (N, N, LAYER)
    assert (table["shuffled_function_vector_low"] < SHUFFLED["function_vector"] / N).all()


def test_differences_are_paired_and_of_several_draws_the_first_counts(table: pd.DataFrame) -> None:
    row = table.iloc[0]
    assert row["over_baseline"] == pytest.approx((12 - 2) / N)
    assert row["behind_task_vector"] == pytest.approx((15 - 12) / N)
    assert row["over_random_heads"] == pytest.approx((12 - RANDOM_HEADS[0]) / N)
    assert row["over_other"] == pytest.approx((12 - 4) / N)
    assert row["over_shuffled"] == pytest.approx((13 - 8) / N)
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


def test_the_line_of_a_task_has_both_contexts() -> None:
    said = task_line(one_task().vectors)
    assert said.startswith("zero-shot 0.60 [")
    assert "  shuffled 0.65 [" in said
    assert said.endswith(f"block {LAYER}  {SIZE} heads")
