import pandas as pd
import pytest

from tests.helpers.example_rows import swept_rows
from tvsight.experiments.layer_sweep.numbers import curves, highest
from tvsight.experiments.main_results.layers import by_layer, over_tasks, paper_by_layer, peaks


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
    found = highest(means)
    assert found["model"].tolist() == ["llama-7b", *peaks(over_tasks(paper_by_layer()))["model"]]
    llamas = found[found["model"] == "llama-7b"]
    assert llamas["source"].tolist() == ["tvsight", "paper"]
    assert llamas["depth"].tolist() == [4, 32]
    assert llamas["layer"].tolist() == [2, 14]
