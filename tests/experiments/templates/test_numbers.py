import pandas as pd
import pytest

from tests.helpers.example_rows import answer
from tvsight.experiments.templates import NAME as TEMPLATES
from tvsight.experiments.templates.numbers import (
    blocks,
    by_variant,
    line,
    main_and_standard,
    of_dummy_queries,
    of_templates,
    over_tasks,
)
from tvsight.storage.schemas import SCHEMAS

N = 20
UNPATCHED = {
    "baseline": {"arrow": 1, "example": 2},
    "icl": {"arrow": 17, "example": 18},
}
"""Correct answers of `N`, by template applied under."""
VECTORS = {
    ("arrow", "arrow", 2, "task"): 13,
    ("arrow", "example", 2, "task"): 10,
    ("example", "arrow", 2, "task"): 9,
    ("example", "example", 2, "task"): 14,
    ("example", "example", 8, "task"): 16,
    ("example", "example", 1, "task"): 12,
    ("example", "example", 1, "query"): 18,
    ("example", "example", 2, "foreign"): 6,
}


def task_rows(task: str, less: int = 0, layer: int = 10, model: str = "a-model") -> pd.DataFrame:
    """Test rows with the numbers above less `less`, and dev rows that are all right."""
    shared = {"model": model, "task": task, "category": "custom"}
    rows = []

    def add(columns: dict[str, object], right: int, layers: list[int | None]) -> None:
        rows.extend(
            shared | columns | answer("test", n, f"query {n}", n < right) | {"layer": layers[-1]}
            for n in range(N)
        )
        rows.extend(
            shared | columns | answer("dev", 0, "dev query", True) | {"layer": block}
            for block in layers
        )

    for procedure, of in UNPATCHED.items():
        for applied, right in of.items():
            add({"procedure": procedure, "applied_under": applied}, right, [None])
    for variant, right in VECTORS.items():
        named = ("extracted_under", "applied_under", "dummy_queries", "dummy_choice")
        columns = dict(zip(named, variant, strict=True)) | {"procedure": "task_vector"}
        add(columns | {"layer_identified": layer > 9}, right - less, [0, layer])
    types = SCHEMAS[TEMPLATES].columns
    return pd.DataFrame(rows).reindex(columns=list(types)).astype(types)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return by_variant(pd.concat([task_rows("one"), task_rows("two", 4, 8)], ignore_index=True))


def of(table: pd.DataFrame, *variant: object) -> pd.Series:
    named = ["extracted_under", "applied_under", "dummy_queries", "dummy_choice"]
    (found,) = (row for _, row in table.iterrows() if tuple(row[named]) == variant)
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
    found = of(over_tasks(table), "example", "arrow", 2, "task")
    # Right answers: 9 and 5 of 20, where the vector of arrow itself has 13 and 9.
    assert found["accuracy"] == pytest.approx(0.35)
    assert (found["accuracy_low"], found["accuracy_high"]) == pytest.approx((0.25, 0.45))
    assert (found["baseline"], found["icl"]) == pytest.approx((0.05, 0.85))
    assert found["gain"] == pytest.approx(0.3)
    assert (found["gain_low"], found["gain_high"]) == pytest.approx((0.2, 0.4))
    assert found["recovered_gap"] == pytest.approx(0.3 / 0.8)
    assert found["tasks"] == 2


def test_a_difference_is_paired_over_tasks(table: pd.DataFrame) -> None:
    means = over_tasks(table)
    for names, lost in ((("example", "arrow"), 0.2), (("arrow", "example"), 0.2)):
        found = of(means, *names, 2, "task")
        # The same in both tasks, so resampling them changes nothing.
        assert found[["difference", "difference_low", "difference_high"]].tolist() == (
            pytest.approx([-lost] * 3)
        )
    assert of(means, "example", "example", 2, "task")["difference"] == 0
    assert of(means, "example", "example", 1, "query")["difference"] == pytest.approx(0.2)


def test_blocks_are_told_by_median_and_range(table: pd.DataFrame) -> None:
    found = of(over_tasks(table), "example", "arrow", 2, "task")
    assert found[["layer_median", "layer_first", "layer_last"]].tolist() == [9, 8, 10]
    assert found["identified"] == 1
    assert blocks(found) == "9 (8–10)"
    alone = over_tasks(table[table["task"] == "one"]).iloc[0]
    assert blocks(alone) == "10"


def test_one_task_has_no_interval_over_tasks(table: pd.DataFrame) -> None:
    alone = over_tasks(table[table["task"] == "one"])
    assert alone["accuracy_low"].isna().all()
    assert alone["accuracy"].notna().all()


def test_the_matrix_and_the_dummy_queries_share_one_cell(table: pd.DataFrame) -> None:
    means = over_tasks(table)
    assert main_and_standard(table) == main_and_standard(means) == ("example", 2)
    named = ["extracted_under", "applied_under", "dummy_queries", "dummy_choice"]
    cells = [tuple(row) for row in of_templates(means)[named].to_numpy()]
    assert cells == [variant for variant in VECTORS if variant[2:] == (2, "task")]
    assert of_dummy_queries(means)[["dummy_choice", "dummy_queries"]].to_numpy().tolist() == [
        ["task", 1],
        ["task", 2],
        ["task", 8],
        ["foreign", 2],
        ["query", 1],
    ]


def test_models_are_summarised_apart() -> None:
    rows = pd.concat([task_rows("one"), task_rows("one", 4, model="b-model")], ignore_index=True)
    means = over_tasks(by_variant(rows))
    assert set(means["tasks"]) == {1}
    cell = means[(means["dummy_choice"] == "query")].set_index("model")["accuracy"]
    assert cell.to_dict() == {"a-model": 0.9, "b-model": 0.7}


def test_a_line_names_the_own_vector_and_the_others() -> None:
    told = line(task_rows("one"))
    assert told.startswith("Baseline 0.10 [")
    assert "ICL 0.90 [" in told
    assert "Task vector 0.70 [" in told
    assert told.endswith("block 10  of other templates 0.50 to 0.50")
