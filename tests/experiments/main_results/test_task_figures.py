from collections.abc import Callable
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.container import ErrorbarContainer

from tests.helpers.eighteen_tasks import eighteen_tasks, one_task
from tests.helpers.example_rows import task_rows
from tests.helpers.legible import assert_legible
from tvsight.experiments.main_results import task_figures
from tvsight.experiments.main_results.numbers import by_task, significant
from tvsight.output.labels import task_title
from tvsight.output.plots import Plot
from tvsight.output.procedures import COMPARED, title

NO_SEEDS = pd.DataFrame(columns=["model", "seed", "task", *COMPARED])
LONG_TASK = "a_task_with_a_name_that_is_rather_long_"


@cache
def long_names() -> pd.DataFrame:
    rows = [task_rows(f"{LONG_TASK}{n}", (2 + n % 8, 12, 9, 9), model="a-model") for n in range(12)]
    return by_task(pd.concat(rows, ignore_index=True))


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


def by_name(table: pd.DataFrame, seeds: pd.DataFrame = NO_SEEDS) -> Plot:
    return task_figures.task_by_task(table, "a-model", seeds)


def test_each_point_stands_at_the_name_of_its_task(table: pd.DataFrame) -> None:
    left, right = by_name(table).figure.axes
    of_task = table.assign(title=table["task"].map(task_title))
    marks = of_task["layer_identified"].map({True: "", False: " *"})
    of_task = of_task.assign(name=of_task["title"] + marks)
    named = {label.get_position()[1]: label.get_text() for label in left.get_yticklabels()}
    drawn = {str(line.get_label()): line for line in left.lines}
    for column in (*COMPARED, "chance"):
        line = drawn["Chance" if column == "chance" else title(column)]
        places = zip(line.get_ydata(), line.get_xdata(), strict=True)
        found = sorted((named[place], value) for place, value in places)
        assert found == sorted(zip(of_task["name"], of_task[column], strict=True))
    points = [box[0] for box in right.containers if isinstance(box, ErrorbarContainer)]
    ahead, not_ahead = (len(one.get_xdata()) for one in points)
    assert ahead == significant(table, "icl_minus_task_vector").sum()
    assert ahead + not_ahead == len(table)


def test_tasks_are_sorted_within_their_category() -> None:
    left, _ = by_name(eighteen_tasks()).figure.axes
    (icl,) = [line for line in left.lines if line.get_label() == "ICL"]
    from_the_top = list(icl.get_xdata())[::-1]
    for first, last in ((0, 6), (6, 10), (10, 14), (14, 18)):
        of_category = from_the_top[first:last]
        assert of_category == sorted(of_category, reverse=True)


def test_other_seeds_are_small_marks() -> None:
    seeds = pd.DataFrame(
        [
            {
                "model": "a-model",
                "seed": 1,
                "task": "one",
                "baseline": 0.2,
                "icl": 0.6,
                "task_vector": 0.4,
            }
        ]
    )
    plot = by_name(one_task(), seeds)
    small = [line for line in plot.figure.axes[0].lines if line.get_markersize() < 2]
    assert sorted(line.get_xdata()[0] for line in small) == [0.2, 0.4, 0.6]
    assert "Small: seed 1." in plot.note
    assert "Small" not in by_name(one_task()).note


def test_words_say_what_is_tested_and_what_is_in_doubt() -> None:
    plot = by_name(eighteen_tasks())
    beaten = significant(eighteen_tasks(), "task_vector_minus_baseline").sum()
    behind = significant(eighteen_tasks(), "icl_minus_task_vector").sum()
    assert plot.title == (
        f"The task vector beats the baseline on {beaten} of 18 tasks; ICL beats the vector on "
        f"{behind}"
    )
    assert "* Not identified." in plot.note
    assert "n = 20 test episodes" in plot.caption


def test_the_scatter_has_a_point_for_each_task(table: pd.DataFrame) -> None:
    plot = task_figures.against_icl(table, "a-model")
    axes = plot.figure.axes[0]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    drawn = [pair for line in dots for pair in zip(*line.get_data(), strict=True)]
    expected = zip(table["icl"], table["task_vector"], strict=True)
    assert sorted(drawn) == sorted(expected)
    written = ", ".join(text.get_text() for text in axes.texts).split(", ")
    assert sorted(written) == sorted(set(map(task_title, table["task"])))


def test_the_title_of_the_scatter_names_the_largest_loss() -> None:
    rows = [task_rows("one", (0, 20, 5, 9)), task_rows("two", (0, 20, 19, 9))]
    plot = task_figures.against_icl(by_task(pd.concat(rows, ignore_index=True)), "a-model")
    assert plot.title == (
        "Vector and ICL differ by at most 0.10 on 1 of 2 tasks; most is lost on one (1.00 to 0.25)"
    )
    near = task_figures.against_icl(one_task(), "a-model")
    assert near.title == "Vector and ICL differ by at most 0.10 on 1 of 1 task"


def test_no_text_is_cut_or_written_over(table: pd.DataFrame) -> None:
    assert_legible(by_name(table))
    assert_legible(task_figures.against_icl(table, "a-model"))


def test_drawing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (
        [path.read_bytes() for path in by_name(one_task()).write(tmp_path / folder, "figure")]
        for folder in ("first", "second")
    )
    assert first == second
