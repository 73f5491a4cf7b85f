"""A trained tiny model does what random ones cannot: it learns in context and has task vectors."""

from collections.abc import Callable

import pandas as pd
import pytest

import tvsight
from benchmarks.train_toy import BLOCK, TASKS
from tests.helpers.commands import ROOT

TOY = ROOT / "tests" / "data" / "toy"
Measure = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measure:
    """The rows of all tasks of the toy."""
    model = tvsight.load(TOY, device="cpu")
    folder = tmp_path_factory.mktemp("toy")

    def rows(template: str = "example") -> pd.DataFrame:
        files = [str(TOY / "tasks")]
        return tvsight.measure(model, "none", folder, task_file=files, template=template)

    return rows


def accuracies(rows: pd.DataFrame) -> pd.DataFrame:
    """By task, a column for each procedure."""
    return rows.groupby(["task", "procedure"])["correct"].mean().unstack().astype(float)


def test_it_learns_in_context_and_a_task_vector_recovers_the_gap(measured: Measure) -> None:
    rows = measured()
    test = accuracies(rows[rows["split"] == "test"])
    assert len(test) == len(TASKS)
    assert test["icl"].mean() >= 0.9
    assert test["baseline"].mean() < 0.25
    recovered = (test["task_vector"] - test["baseline"]) / (test["icl"] - test["baseline"])
    assert (recovered >= 0.7).sum() >= len(TASKS) / 2
    chosen = rows[(rows["split"] == "test") & (rows["procedure"] == "task_vector")]["layer"]
    assert chosen.mode().item() == BLOCK


def test_a_block_far_from_the_one_of_the_loss_holds_no_task(measured: Measure) -> None:
    rows = measured()
    dev = rows[(rows["split"] == "dev") & (rows["procedure"] == "task_vector")]
    by_block = dev.groupby("layer")["correct"].mean()
    assert by_block.idxmax() == BLOCK
    assert by_block.iloc[0] < 0.5 * by_block.max()


def test_under_another_template_it_knows_no_task(measured: Measure) -> None:
    rows, others = measured(), measured("arrow")
    known, unknown = (accuracies(of[of["split"] == "test"]).mean() for of in (rows, others))
    for procedure in ("icl", "task_vector"):
        assert unknown[procedure] < known[procedure] - 0.3
