import pandas as pd
import pytest

from tests.helpers.template_rows import UNPATCHED, VECTORS, N, two_tasks, variant_rows
from tvsight.experiments.templates.numbers import (
    VARIANT,
    dummy_query_table,
    over_tasks,
    standard,
    task_line,
    template_table,
)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return two_tasks()


def of(table: pd.DataFrame, *variant: object) -> pd.Series:
    (found,) = (row for _, row in table.iterrows() if tuple(row[VARIANT]) == variant)
    return found


def test_accuracy_is_that_of_test_answers(table: pd.DataFrame) -> None:
    one = table[table["task"] == "one"]
    patched = one[one["procedure"] == "task_vector"]
    for variant, right in VECTORS.items():
        found = of(patched, *variant)
        assert found["accuracy"] == right / N
        assert found["accuracy_low"] < right / N < found["accuracy_high"]
        assert (found["layer"], found["layer_identified"], found["n"]) == (10, True, N)
    for procedure, by_template in UNPATCHED.items():
        found = one[one["procedure"] == procedure].set_index("applied_under")["accuracy"]
        assert found.to_dict() == {name: right / N for name, right in by_template.items()}
    assert len(table) == 2 * (len(VECTORS) + 4)


def test_means_stand_beside_what_the_applied_template_gives(table: pd.DataFrame) -> None:
    means = over_tasks(table)
    found = of(means, "example", "arrow", 2, "task")
    # Right answers: 9 and 5 of 20, where the vector of arrow itself has 13 and 9.
    assert found["accuracy"] == pytest.approx(0.35)
    assert (found["accuracy_low"], found["accuracy_high"]) == pytest.approx((0.25, 0.45))
    assert (found["baseline"], found["icl"]) == pytest.approx((0.05, 0.85))
    assert found["gain"] == pytest.approx(0.3)
    assert (found["gain_low"], found["gain_high"]) == pytest.approx((0.2, 0.4))
    assert found["recovered_gap"] == pytest.approx(0.3 / 0.8)
    assert found["tasks"] == 2
    assert found[["layer_median", "layer_first", "layer_last"]].tolist() == [9, 8, 10]
    assert found["identified"] == 1
    # A difference is paired over tasks.
    for names, lost in ((("example", "arrow"), 0.2), (("arrow", "example"), 0.2)):
        found = of(means, *names, 2, "task")
        # The same in both tasks, so resampling them changes nothing.
        assert found[["difference", "difference_low", "difference_high"]].tolist() == (
            pytest.approx([-lost] * 3)
        )
    assert of(means, "example", "example", 2, "task")["difference"] == 0
    assert of(means, "example", "example", 1, "query")["difference"] == pytest.approx(0.2)


def test_the_matrix_and_the_dummy_queries_share_one_cell(table: pd.DataFrame) -> None:
    means = over_tasks(table)
    own = standard(means)
    assert own == standard(table) == ("example", 2)
    cells = [tuple(row) for row in template_table(means, own)[VARIANT].to_numpy()]
    assert cells == [variant for variant in VECTORS if variant[2:] == (2, "task")]
    shown = dummy_query_table(means, own)[["dummy_choice", "dummy_queries"]]
    assert shown.to_numpy().tolist() == [
        ["task", 1],
        ["task", 2],
        ["task", 8],
        ["foreign", 2],
        ["query", 1],
    ]


def test_a_line_names_the_own_vector_and_the_others() -> None:
    told = task_line(variant_rows("one"))
    assert told.startswith("Baseline 0.10 [")
    assert "ICL 0.90 [" in told
    assert "Task vector 0.70 [" in told
    assert told.endswith("block 10  of other templates 0.50 to 0.50")
