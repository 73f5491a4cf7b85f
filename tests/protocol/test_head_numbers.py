import pandas as pd
import pytest

from tests.helpers.function_vector_rows import EFFECT, SIZE, effect_rows, three_tasks
from tvsight.protocol.head_numbers import effects, overlap, ranking, universal


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
