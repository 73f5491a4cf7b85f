import pandas as pd
import pytest

from tests.helpers.example_rows import rows_by_shots
from tests.helpers.legible import assert_legible
from tvsight.experiments.shots.figures import curves
from tvsight.experiments.shots.numbers import by_shots, over_tasks
from tvsight.output.procedures import CENTRAL, title


@pytest.mark.parametrize("models", [1, 2, 4])
def test_each_panel_draws_the_means_of_its_model(models: int) -> None:
    several = [rows_by_shots(f"model-{number}") for number in range(models)]
    means = over_tasks(by_shots(pd.concat(several)))
    plot = curves(means, 20)
    figure = plot.figure
    assert len(figure.axes) == models
    for number, axes in enumerate(figure.axes):
        of_model = means[means["model"] == f"model-{number}"]
        lines = {str(line.get_label()): line for line in axes.lines}
        assert list(lines) == [title(procedure) for procedure in CENTRAL]
        for procedure in CENTRAL:
            expected = of_model[of_model["procedure"] == procedure]
            line = lines[title(procedure)]
            assert list(line.get_xdata()) == expected["shots"].tolist()
            assert list(line.get_ydata()) == expected["accuracy"].tolist()
        assert axes.get_xticks().tolist() == [1, 4]
        assert [text.get_text() for text in axes.texts] == [
            title(name) for name in ("baseline", "task_vector", "averaged_vector", "icl")
        ]
    assert plot.title.startswith(
        "From 1 to 4 demonstrations: Task vector 0.10 to 0.40, ICL 0.30 to 0.70 (model-0)"
    )


@pytest.mark.parametrize("models", [1, 3])
def test_every_text_can_be_read(models: int) -> None:
    several = [rows_by_shots(f"model-{number}") for number in range(models)]
    assert_legible(curves(over_tasks(by_shots(pd.concat(several))), 20))
