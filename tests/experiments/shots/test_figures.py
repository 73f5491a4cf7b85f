import pandas as pd
import pytest

from tests.helpers.example_rows import rows_by_shots
from tests.helpers.legible import assert_legible
from tvsight.experiments.shots.figures import curves
from tvsight.experiments.shots.numbers import by_shots, over_tasks
from tvsight.output.procedures import CENTRAL, title


def means_of(models: int) -> pd.DataFrame:
    several = [rows_by_shots(f"model-{number}") for number in range(models)]
    return over_tasks(by_shots(pd.concat(several)))


@pytest.mark.parametrize("models", [1, 2, 4])
def test_each_column_draws_the_means_of_its_model(models: int) -> None:
    means = means_of(models)
    drawn = curves(means, 20).figure.axes
    for number in range(models):
        upper, lower = drawn[number], drawn[models + number]
        of_model = means[means["model"] == f"model-{number}"]
        lines = {str(line.get_label()): line for line in upper.lines}
        for procedure in CENTRAL:
            expected = of_model[of_model["procedure"] == procedure]
            line = lines[title(procedure)]
            if procedure == "baseline":  # level, for it has no demonstrations
                assert set(line.get_ydata()) == set(expected["accuracy"])
                continue
            assert list(line.get_xdata()) == expected["shots"].tolist()
            assert list(line.get_ydata()) == expected["accuracy"].tolist()
        lag = of_model[of_model["procedure"] == "task_vector"]
        (points,) = lower.containers
        assert list(points[0].get_ydata()) == lag["behind_icl"].tolist()
        ends = [segment[:, 1].tolist() for segment in points[2][0].get_segments()]
        assert ends == [
            pytest.approx(each) for each in lag[["behind_icl_low", "behind_icl_high"]].to_numpy()
        ]
        assert lower.get_xticks().tolist() == [1, 4]


def test_titles_say_how_far_the_vector_and_the_lead_go() -> None:
    assert curves(means_of(1), 20).title == (
        "From 1 to 4 demonstrations the task vector goes from 0.10 to 0.40, and ICL's lead from "
        "0.20 to 0.30"
    )
    assert curves(means_of(2), 20).title == (
        "From 1 to 4 demonstrations the task vector gains accuracy in 2 of 2 models"
    )


def test_a_model_that_was_measured_with_one_number_is_named_and_not_drawn() -> None:
    means = means_of(2)
    alone = (means["model"] == "model-1") & (means["shots"] == 1)
    plot = curves(means[(means["model"] == "model-0") | alone], 20)
    assert len(plot.figure.axes) == 2
    assert plot.title == curves(means_of(1), 20).title
    assert plot.caption.endswith("Not drawn: model-1, measured with 1 demonstration alone.")
    every = curves(means[alone], 20)
    assert len(every.figure.axes) == 2
    assert every.title == (
        "With 1 demonstration the task vector answers 0.10, and ICL's lead is 0.20"
    )
    assert curves(means[means["shots"] == 1], 20).title == (
        "With 1 demonstration ICL is ahead of the task vector in 2 of 2 models"
    )
    assert "Not drawn" not in every.caption


def test_models_with_other_numbers_are_counted_from_their_own_ends() -> None:
    means = means_of(2)
    later = means["shots"].where(means["model"] == "model-0", means["shots"] + 1)
    assert curves(means.assign(shots=later), 20).title == (
        "From the fewest to the most demonstrations the task vector gains accuracy in 2 of 2 models"
    )


@pytest.mark.parametrize("models", [1, 2, 3])
def test_no_text_is_cut_or_written_over(models: int) -> None:
    assert_legible(curves(means_of(models), 20))
