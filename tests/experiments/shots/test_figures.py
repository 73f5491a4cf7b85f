import pandas as pd
import pytest

from tests.helpers.example_rows import rows_by_shots
from tvsight.experiments.shots.figures import curves
from tvsight.experiments.shots.numbers import by_shots, over_tasks
from tvsight.output.procedures import CENTRAL, title


@pytest.mark.parametrize("models", [1, 2, 4])
def test_each_panel_draws_the_means_of_its_model(models: int) -> None:
    several = [rows_by_shots(f"model-{number}") for number in range(models)]
    means = over_tasks(by_shots(pd.concat(several)))
    figure = curves(means, 20)
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
