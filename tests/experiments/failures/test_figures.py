import pandas as pd
import pytest

from tests.helpers.legible import assert_legible
from tvsight.experiments.failures import figures
from tvsight.experiments.failures.numbers import KINDS, OTHER
from tvsight.output.plots import Plot
from tvsight.output.theme import READABLE, contrast


def table(*tasks: str, wrong: tuple[int, int, int, int] = (3, 1, 5, 1)) -> pd.DataFrame:
    return pd.DataFrame(
        {
            **{"model": "a-model", "category": "linguistic", "task": task, "n": 20},
            **{"procedure": procedure, "wrong": sum(wrong)},
            **dict(zip(KINDS, wrong, strict=True)),
        }
        for task in tasks
        for procedure in ("icl", "task_vector")
    )


def confusions(*tasks: str, given: str = "Hinduism") -> pd.DataFrame:
    cells = (("Islam", "Islam", 3, 5), ("Islam", given, 2, 5), ("Hinduism", OTHER, 1, 1))
    return pd.DataFrame(
        {"model": "a-model", "task": task, "procedure": procedure}
        | dict(zip(("expected", "given", "times", "n"), cell, strict=True))
        for task in tasks
        for procedure in ("icl", "task_vector")
        for cell in cells
    )


def test_bars_are_shares_by_kind_one_after_the_other() -> None:
    plot = figures.by_kind(table("antonyms", "plural_singular"), "a-model")
    for axes in plot.figure.axes:
        bars = [[(bar.get_x(), bar.get_width()) for bar in one] for one in axes.containers]
        expected = [(0, 0.15), (0.15, 0.05), (0.2, 0.25), (0.45, 0.05)]
        assert bars == [[pytest.approx(each)] * 2 for each in expected]
        edges = {bar.get_edgecolor() for one in axes.containers for bar in one}
        assert min(contrast(edge, "white") for edge in edges) > READABLE
    names = [label.get_text() for label in plot.figure.axes[0].get_yticklabels()]
    assert names == ["plural → singular", "antonyms"]


def test_the_title_names_the_most_frequent_kind() -> None:
    assert figures.by_kind(table("antonyms"), "a-model").title == (
        "ICL errs 10 times, most often with the task's answer to another query (5); the vector 10 "
        "times, most often with the task's answer to another query (5)"
    )
    right = figures.by_kind(table("antonyms", wrong=(0, 0, 0, 0)), "a-model")
    assert right.title == "ICL errs 0 times; the vector 0 times"


def test_cells_are_counts_and_rows_say_how_many_were_expected() -> None:
    plot = figures.confusion(confusions("location_religion"), "a-model")
    left = plot.figure.axes[0]
    assert [text.get_text() for text in left.texts] == ["1", "2", "3"]
    assert [label.get_text() for label in left.get_yticklabels()] == ["Hinduism (1)", "Islam (5)"]
    columns = [label.get_text() for label in left.get_xticklabels()]
    assert columns == ["Hinduism", "Islam", OTHER]
    assert left.collections[0].get_array().ravel().tolist() == [0, 0, 1, 0.4, 0.6, 0]


@pytest.mark.parametrize(
    ("given", "title"),
    [
        (
            "Hinduism",
            "The vector's most frequent confusion: Hinduism for Islam (2 of 5, place → religion)",
        ),
        (OTHER, "In 1 task with few answers the vector confuses none of them"),
    ],
)
def test_the_title_is_the_most_frequent_confusion(given: str, title: str) -> None:
    counts = confusions("location_religion", given=given)
    assert figures.confusion(counts, "a-model").title == title


@pytest.mark.parametrize("tasks", [("location_religion",), ("location_religion", "mine" * 6)])
def test_no_text_is_cut_or_written_over(tasks: tuple[str, ...]) -> None:
    plots: list[Plot] = [
        figures.by_kind(table(*tasks), "a-model"),
        figures.confusion(confusions(*tasks), "a-model"),
    ]
    for plot in plots:
        assert_legible(plot)
