import pandas as pd
import pytest
from matplotlib.container import BarContainer

from tests.helpers.control_rows import Tables, eighteen_tasks, one_task, three_tasks, two_tasks
from tests.helpers.legible import assert_legible
from tvsight.experiments.controls.figures import curves, matrix, means
from tvsight.experiments.controls.numbers import by_block, by_task, over_tasks, transfer
from tvsight.output.labels import task_title
from tvsight.output.procedures import title
from tvsight.output.theme import CATEGORY_COLOURS


@pytest.fixture(params=[eighteen_tasks, two_tasks, one_task], ids=["18", "2", "1"])
def measured(request: pytest.FixtureRequest) -> Tables:
    return request.param()


@pytest.mark.parametrize("models", [1, 3])
def test_bars_and_points_are_the_accuracies(measured: Tables, models: int) -> None:
    central, rows = (several(table, models) for table in measured)
    table = by_task(central, rows)
    summary = over_tasks(table)
    plot = means(table, summary)
    figure = plot.figure
    assert len(figure.axes) == models
    for number, axes in enumerate(figure.axes):
        of_model = summary[summary["model"] == f"model-{number}"]
        tasks = table[table["model"] == f"model-{number}"]
        bars = [found for found in axes.containers if isinstance(found, BarContainer)]
        assert [bar.patches[0].get_height() for bar in bars] == of_model["accuracy"].tolist()
        points = [line for line in axes.lines if line.get_marker() == "o"]
        for line, name in zip(points, of_model["procedure"], strict=True):
            assert list(line.get_ydata()) == tasks[name].tolist()
    labels = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert [label.replace("\n", " ") for label in labels] == [
        title(name) for name in dict.fromkeys(summary["procedure"])
    ]
    assert_legible(plot)


@pytest.mark.parametrize("models", [1, 3])
def test_lines_are_the_means_after_each_block(measured: Tables, models: int) -> None:
    blocks = by_block(*(several(table, models) for table in measured))
    plot = curves(blocks)
    figure = plot.figure
    assert len(figure.axes) == models
    for number, axes in enumerate(figure.axes):
        of_model = blocks[blocks["model"] == f"model-{number}"]
        drawn = {str(line.get_label()): line for line in axes.lines}
        assert list(drawn) == [title(name) for name in dict.fromkeys(of_model["procedure"])]
        for name, line in of_model.groupby("procedure"):
            assert list(drawn[title(str(name))].get_xdata()) == line["layer"].tolist()
            assert list(drawn[title(str(name))].get_ydata()) == line["accuracy"].tolist()
    assert_legible(plot)


@pytest.mark.parametrize("measured", [eighteen_tasks, two_tasks, three_tasks])
def test_cells_are_the_accuracies_and_say_them(measured: object) -> None:
    assert callable(measured)
    pairs = transfer(*measured())
    plot = matrix(pairs, "a-model")
    figure = plot.figure
    axes = figure.axes[0]
    columns, rows = (
        [label.get_text() for label in labels]
        for labels in (axes.get_xticklabels(), axes.get_yticklabels())
    )
    assert set(rows) == set(columns) == {task_title(name) for name in pairs["task"]}
    (image,) = axes.images
    cells = image.get_array()
    said = iter(axes.texts)
    wanted = pairs.set_index(["task", "source"])["accuracy"].rename(task_title)
    for row, task in enumerate(rows):
        for column, source in enumerate(columns):
            assert cells[row, column] == wanted[task, source]
            value = wanted[task, source]
            assert next(said).get_text() == (f"{value:.2f}" if value else "0")
    framed = [(round(p.get_x() + 0.5), round(p.get_y() + 0.5)) for p in axes.patches]
    assert framed == [(columns.index(name), rows.index(name)) for name in rows]
    category = {
        task_title(name): of
        for name, of in zip(pairs["source"], pairs["source_category"], strict=True)
    }
    strips = [line.get_color() for line in axes.lines]
    assert strips == [CATEGORY_COLOURS[category[name]] for name in (*columns, *rows)]
    assert_legible(plot)


def test_titles_are_made_from_the_numbers() -> None:
    central, rows = three_tasks()
    table = by_task(central, rows)
    accuracy = over_tasks(table).set_index("procedure")["accuracy"]
    assert means(table, over_tasks(table)).title == (
        f"a-model: {accuracy['task_vector']:.2f} with the task vector, "
        f"{accuracy['shuffled_labels']:.2f} with the best control (shuffled labels)"
    )
    assert curves(by_block(central, rows)).title == (
        "a-model: the task vector peaks at 1.00 after block 0 of 0–5, no control above 1.00"
    )
    title = matrix(transfer(central, rows), "a-model").title
    assert title == "A task's own vector is ahead of every other task's on 3 of 3 tasks"


def test_tasks_of_a_category_stand_together() -> None:
    central, rows = three_tasks()
    mixed = pd.concat([rows[rows["task"] == name] for name in ("one", "three", "two")])
    axes = matrix(transfer(central, mixed), "a-model").figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "two", "three"]


def several(rows: pd.DataFrame, models: int) -> pd.DataFrame:
    return pd.concat([rows.assign(model=f"model-{n}") for n in range(models)], ignore_index=True)
