import pandas as pd
import pytest

from tests.experiments.shots.test_numbers import rows
from tvsight.experiments.shots.figures import curves
from tvsight.experiments.shots.numbers import by_shots, over_tasks
from tvsight.output.labels import PROCEDURE_NAMES


@pytest.mark.parametrize("models", [1, 2, 4])
def test_each_panel_draws_the_means_of_its_model(models: int) -> None:
    several = [rows().assign(model=f"model-{number}") for number in range(models)]
    means = over_tasks(by_shots(pd.concat(several)))
    figure = curves(means, 20)
    assert len(figure.axes) == models
    for number, axes in enumerate(figure.axes):
        of_model = means[means["model"] == f"model-{number}"]
        lines = {str(line.get_label()): line for line in axes.lines}
        assert list(lines) == list(PROCEDURE_NAMES.values())
        for procedure, name in PROCEDURE_NAMES.items():
            expected = of_model[of_model["procedure"] == procedure]
            assert list(lines[name].get_xdata()) == expected["shots"].tolist()
            assert list(lines[name].get_ydata()) == expected["accuracy"].tolist()
        assert axes.get_xticks().tolist() == [1, 4]
