from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from tests.helpers.control_rows import Tables, eighteen_tasks, one_task, three_tasks, two_tasks
from tests.helpers.legible import assert_legible
from tvsight.experiments.controls.figures import ACROSS, ROWS, curves, means
from tvsight.experiments.controls.numbers import by_block, by_task, over_tasks
from tvsight.output.labels import number
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES, title

Make = Callable[[], Tables]


@pytest.fixture(params=[eighteen_tasks, two_tasks, one_task], ids=["18", "2", "1"])
def measured(request: pytest.FixtureRequest) -> Make:
    make: Make = request.param
    return make


@cache
def of_tasks(make: Make) -> pd.DataFrame:
    return by_task(*make())


@cache
def of_blocks(make: Make, models: int) -> pd.DataFrame:
    return several(by_block(*make()), models)


@cache
def of_means(make: Make, models: int) -> pd.DataFrame:
    return over_tasks(several(of_tasks(make), models))


def several(rows: pd.DataFrame, models: int) -> pd.DataFrame:
    return pd.concat([rows.assign(model=f"model-{n}") for n in range(models)], ignore_index=True)


def drawn_means(make: Make, models: int = 1) -> tuple[Plot, pd.DataFrame, pd.DataFrame]:
    table, summary = several(of_tasks(make), models), of_means(make, models)
    return means(table, summary), table, summary


@pytest.mark.parametrize("models", [1, 3])
def test_rows_hold_every_task_and_the_mean_in_the_order_of_their_names(
    measured: Make, models: int
) -> None:
    plot, table, summary = drawn_means(measured, models)
    order = [name for group in ROWS for name in group if name in set(summary["procedure"])]
    assert len(plot.figure.axes) == models
    names = [label.get_text() for label in plot.figure.axes[0].get_yticklabels()]
    assert names == list(map(title, order))
    for axes, (model, of_model) in zip(
        plot.figure.axes, table.groupby("model", sort=False), strict=True
    ):
        drawn = {str(line.get_label()): line for line in axes.lines}
        accuracy = summary[summary["model"] == model].set_index("procedure")["accuracy"]
        for name, place in zip(order, axes.get_yticks(), strict=True):
            assert drawn[title(name)].get_marker() == PROCEDURES[name].marker
            assert drawn[title(name)].get_xdata() == [accuracy[name]]
            assert drawn[title(name)].get_ydata() == [place]
            of_row = [
                line
                for line in axes.lines
                if line.get_marker() == "o"
                and len(line.get_xdata()) == len(of_model)
                and np.abs(np.asarray(line.get_ydata()) - place).max() < 0.5
                and line is not drawn[title(name)]
            ]
            assert [list(line.get_xdata()) for line in of_row] == [of_model[name].tolist()]
        assert [text.get_text() for text in axes.texts] == [
            number(accuracy[name]) for name in accuracy.index if name in order
        ]


def test_the_same_task_is_joined_between_procedures_that_are_compared() -> None:
    plot, table, _ = drawn_means(three_tasks)
    (axes,) = plot.figure.axes
    lines = [list(line.get_xdata()) for line in axes.lines if line.get_linewidth() == 0.6]
    assert lines == [
        [task[upper], task[lower]] for upper, lower in ROWS[:-1] for _, task in table.iterrows()
    ]


def test_the_title_names_the_control_that_comes_nearest() -> None:
    plot, *_ = drawn_means(three_tasks)
    assert plot.title == (
        "The task vector is right for 0.55, the best control (shuffled labels) for 0.60"
    )
    two, *_ = drawn_means(three_tasks, models=2)
    assert two.title == (
        "Task vector against the best control (shuffled labels): model-0 0.55 to 0.60, "
        "model-1 0.55 to 0.60"
    )
    assert "The no-op patch, not drawn, has 0.10, as the baseline." in plot.caption


@pytest.mark.parametrize("models", [1, 3])
def test_lines_are_the_means_after_each_block(measured: Make, models: int) -> None:
    blocks, summary = of_blocks(measured, models), of_means(measured, models)
    axes_of = curves(blocks, summary).figure.axes
    assert len(axes_of) == models
    for number_of_model, axes in enumerate(axes_of):
        of_model = blocks[blocks["model"] == f"model-{number_of_model}"]
        level, *lines = axes.lines
        icl = summary[summary["procedure"] == "icl"]["accuracy"].iloc[0]
        assert (level.get_linestyle(), list(level.get_ydata())) == ("--", [icl, icl])
        drawn = {str(line.get_label()): line for line in lines}
        assert list(drawn) == [title(name) for name in dict.fromkeys(of_model["procedure"])]
        for name, of_procedure in of_model.groupby("procedure"):
            line = drawn[title(str(name))]
            assert list(line.get_xdata()) == of_procedure["layer"].tolist()
            assert list(line.get_ydata()) == of_procedure["accuracy"].tolist()
    coloured = {
        name
        for name, line in drawn.items()
        if len(set(to_hex(line.get_color())[i : i + 2] for i in (1, 3, 5))) > 1
    }
    assert coloured == {"Task vector", "Shuffled labels"}
    named = {text.get_text() for text in axes_of[-1].texts}
    assert named == {"ICL (test)", *drawn}


@pytest.mark.parametrize(
    ("make", "models"),
    [(eighteen_tasks, 1), (eighteen_tasks, ACROSS), (two_tasks, ACROSS + 1), (one_task, 2)],
)
def test_texts_can_be_read(make: Make, models: int) -> None:
    plot, _, summary = drawn_means(make, models)
    assert_legible(plot)
    assert_legible(curves(of_blocks(make, models), summary))
