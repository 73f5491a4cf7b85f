import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.container import BarContainer, ErrorbarContainer

from tests.helpers.commands import ROOT
from tests.helpers.eighteen_tasks import eighteen_tasks
from tests.helpers.example_rows import task_rows
from tests.helpers.legible import assert_legible
from tvsight.experiments.main_results import figures
from tvsight.experiments.main_results.figures import task_by_task
from tvsight.experiments.main_results.numbers import bars, by_task, means, over_tasks
from tvsight.output.labels import task_title
from tvsight.output.plots import Plot
from tvsight.output.procedures import COMPARED
from tvsight.paper import paper_by_task
from tvsight.tasks import PAPER_TASKS

LONG_MODELS = ("Qwen2.5-Coder-1.5B-Instruct", "gemma-3-1b-it-finetuned-on-a-thing")
LONG_TASK = "a_task_with_a_name_that_is_rather_long_"


@cache
def one_task() -> pd.DataFrame:
    return by_task(task_rows("one", (2, 10, 9, 9)))


@cache
def long_names() -> pd.DataFrame:
    tasks = {f"{LONG_TASK}{number}": 2 + 8 * (number > 6) for number in range(12)}
    rows = [
        task_rows(task, (baseline, 12, 9, 9), model=model)
        for model in LONG_MODELS
        for task, baseline in tasks.items()
    ]
    return by_task(pd.concat(rows, ignore_index=True))


def by_model(table: pd.DataFrame) -> Plot:
    return figures.by_model(bars(means(table, paper_by_task())), table)


def one_task_per_category() -> pd.DataFrame:
    chosen = ("to_upper", "fr_en", "antonyms", "country_capital")
    table = eighteen_tasks()
    return table[table["task"].isin(chosen)]


CASES: dict[str, Callable[[], pd.DataFrame]] = {
    "18 tasks": eighteen_tasks,
    "1 task": one_task,
    "long names": long_names,
    "1 task per category": one_task_per_category,
}


@pytest.fixture(params=CASES)
def table(request: pytest.FixtureRequest) -> pd.DataFrame:
    return CASES[request.param]()


def test_bars_are_the_means_over_tasks_ours_and_the_papers(table: pd.DataFrame) -> None:
    axes = by_model(table).figure.axes[0]
    expected = pd.concat([over_tasks(t) for t in (table, paper_by_task())])
    containers = of_type(axes, BarContainer)
    assert [container.get_label() for container in containers] == ["Baseline", "ICL", "Task vector"]
    for container, whiskers, name in zip(
        containers, of_type(axes, ErrorbarContainer), COMPARED, strict=True
    ):
        centres = [bar.get_x() + bar.get_width() / 2 for bar in container]
        assert [bar.get_height() for bar in container] == pytest.approx(expected[name].tolist())
        assert_whiskers(whiskers, expected, name, along=1)
        assert [segment[0, 0] for segment in segments(whiskers)] == pytest.approx(centres)


def test_bars_of_the_paper_are_paler_and_named(table: pd.DataFrame) -> None:
    axes = by_model(table).figure.axes[0]
    models = table["model"].nunique()
    for container in of_type(axes, BarContainer):
        assert {bar.get_alpha() for bar in container[:models]} == {1.0}
        assert {bar.get_alpha() for bar in container[models:]} == {0.4}
    assert [text.get_text() for text in axes.texts] == ["reported in the paper"]
    labels = [label.get_text().replace("\n", " ") for label in axes.get_xticklabels()]
    assert labels[models:] == [
        *("LLaMA 7B", "LLaMA 13B", "LLaMA 30B", "GPT-J 6B"),
        *("Pythia 2.8B", "Pythia 6.9B", "Pythia 12B"),
    ]


def test_points_are_the_accuracies_task_by_task(table: pd.DataFrame) -> None:
    model = table["model"].iloc[-1]
    axes = task_by_task(table, model).figure.axes[0]
    rows = table[table["model"] == model].iloc[::-1]
    points = of_type(axes, ErrorbarContainer)
    assert [container.get_label() for container in points] == ["Baseline", "ICL", "Task vector"]
    for container, name in zip(points, COMPARED, strict=True):
        assert container[0].get_xdata().tolist() == rows[name].tolist()
        assert_whiskers(container, rows, name, along=0)
        places = container[0].get_ydata().astype(float)
        assert places.round().tolist() == list(range(len(rows)))


DRAW = """
from matplotlib.container import ErrorbarContainer
from tests.helpers.eighteen_tasks import eighteen_tasks
from tvsight.experiments.main_results.figures import task_by_task
axes = task_by_task(eighteen_tasks(), "a-model").figure.axes[0]
points = [drawn for drawn in axes.containers if isinstance(drawn, ErrorbarContainer)]
print(*(place for container in points for place in container[0].get_ydata()))
"""


def test_points_stand_where_they_do_when_python_runs_without_assertions() -> None:
    with_assertions, without = (
        subprocess.run(
            [sys.executable, *flags, "-c", DRAW], cwd=ROOT, capture_output=True, text=True
        ).stdout
        for flags in ((), ("-O",))
    )
    assert len(with_assertions.split()) == 3 * len(PAPER_TASKS)
    assert with_assertions == without


def test_each_point_stands_at_the_name_of_its_task() -> None:
    table = eighteen_tasks()
    plot = task_by_task(table, "a-model")
    axes = plot.figure.axes[0]
    (icl,) = [c[0] for c in of_type(axes, ErrorbarContainer) if c.get_label() == "ICL"]
    drawn = dict(zip(icl.get_ydata(), icl.get_xdata(), strict=True))
    named = {label.get_text(): label.get_position()[1] for label in axes.get_yticklabels()}
    marks = np.where(table["layer_identified"], "", " *")
    assert list(named) == (table["task"].map(task_title) + marks).iloc[::-1].tolist()
    assert [drawn[place] for place in named.values()] == table["icl"].iloc[::-1].tolist()
    assert sum(name.endswith(" *") for name in named) == 4
    assert "* layer not identified" in plot.caption
    assert "* layer not identified" in plot.note


def test_the_caption_names_tasks_in_doubt_and_counts_those_that_icl_helps() -> None:
    text = by_model(eighteen_tasks()).caption
    assert "a-model: mean over 18 tasks. n = 20 test episodes per task." in text
    assert "ICL gains at least 0.20 over the baseline on 16." in text
    assert "Layer not identified: first of list, en → fr" in text
    assert "95 % bootstrap intervals over tasks" in text
    assert "not identified" not in by_model(one_task()).caption


def test_a_model_that_icl_does_not_help_has_bars_all_the_same() -> None:
    plot = by_model(by_task(task_rows("one", (9, 10, 9, 9), model="hopeless")))
    assert all(len(drawn) == 8 for drawn in of_type(plot.figure.axes[0], BarContainer))
    assert "over the baseline on 0." in plot.caption


def test_titles_say_what_is_recovered_and_on_how_many_tasks() -> None:
    table = by_task(pd.concat([task_rows("one", (2, 10, 8, 9)), task_rows("two", (4, 9, 10, 9))]))
    assert by_model(table).title == (
        "Of what demonstrations add, the task vector recovers 0.92 [0.75, 1.20] (a-model)"
    )
    assert task_by_task(table, "a-model").title == (
        "The task vector scores above the baseline on 2 of 2 tasks, above ICL on 1"
    )


def test_captions_give_the_range_of_unequal_sizes() -> None:
    rows = [task_rows("one", (2, 10, 9, 9)), task_rows("two", (2, 10, 9, 9), n=30)]
    table = by_task(pd.concat(rows, ignore_index=True))
    assert "n = 20 to 30 test episodes" in by_model(table).caption
    assert "n = 20 to 30 test episodes" in task_by_task(table, "a-model").note


def test_no_text_of_the_bars_is_cut_or_written_over(table: pd.DataFrame) -> None:
    assert_legible(by_model(table))


def test_no_text_of_the_points_is_cut_or_written_over(table: pd.DataFrame) -> None:
    assert_legible(task_by_task(table, table["model"].iloc[0]))


def test_drawing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    table = one_task_per_category()
    files = [
        [path.read_bytes() for path in draw(table).write(tmp_path / folder, "figure")]
        for folder in ("first", "second")
        for draw in (by_model, lambda t: task_by_task(t, "a-model"))
    ]
    assert files[:2] == files[2:]
    assert [content[:4] for content in files[0]] == [b"\x89PNG", b"%PDF", b"**Of"]


def of_type(axes: Axes, kind: type) -> list:
    return [container for container in axes.containers if isinstance(container, kind)]


def segments(container: ErrorbarContainer) -> list[np.ndarray]:
    return container[2][0].get_segments()


def assert_whiskers(
    container: ErrorbarContainer, table: pd.DataFrame, name: str, along: int
) -> None:
    """Whiskers end at the interval's ends, or at the value where there is no interval."""
    ends = np.array(segments(container))[:, :, along]
    assert ends[:, 0] == pytest.approx(table[f"{name}_low"].fillna(table[name]).to_numpy())
    assert ends[:, 1] == pytest.approx(table[f"{name}_high"].fillna(table[name]).to_numpy())
