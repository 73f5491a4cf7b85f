from collections.abc import Callable
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.container import BarContainer, ErrorbarContainer

from tests.helpers.eighteen_tasks import eighteen_tasks, one_task
from tests.helpers.example_rows import task_rows
from tests.helpers.legible import assert_legible
from tvsight.errors import UsageError
from tvsight.experiments.main_results import figures, numbers
from tvsight.experiments.main_results.numbers import bars, by_task, means
from tvsight.output.plots import Plot
from tvsight.output.procedures import COMPARED
from tvsight.paper import paper_by_task

LONG_MODELS = ("Qwen2.5-Coder-1.5B-Instruct", "gemma-3-1b-it-finetuned-on-a-thing")
NO_SEEDS = pd.DataFrame(columns=["model", "quantity"])


@cache
def long_names() -> pd.DataFrame:
    rows = [task_rows("one", (2, 12, 9, 9), model=model) for model in LONG_MODELS]
    return by_task(pd.concat(rows, ignore_index=True))


def without_gain() -> pd.DataFrame:
    return by_task(task_rows("one", (9, 9, 8, 9), model="hopeless"))


def drawn_bars(table: pd.DataFrame) -> pd.DataFrame:
    return bars(means(table, paper_by_task()))


def by_model(table: pd.DataFrame, spread: pd.DataFrame = NO_SEEDS) -> Plot:
    return figures.by_model(drawn_bars(table), table, spread)


def models(table: pd.DataFrame) -> Plot:
    depths = pd.Series(6, index=table["model"].unique())
    return figures.models(numbers.by_size(drawn_bars(table), table, depths))


CASES: dict[str, Callable[[], pd.DataFrame]] = {
    "18 tasks": eighteen_tasks,
    "1 task": one_task,
    "long names": long_names,
    "no gain": without_gain,
}


@pytest.fixture(params=CASES)
def table(request: pytest.FixtureRequest) -> pd.DataFrame:
    return CASES[request.param]()


def test_bars_are_the_means_over_tasks_ours_and_the_papers(table: pd.DataFrame) -> None:
    axes = by_model(table).figure.axes[0]
    expected = drawn_bars(table)
    containers = of_type(axes, BarContainer)
    assert [container.get_label() for container in containers] == ["Baseline", "ICL", "Task vector"]
    for container, whiskers, name in zip(
        containers, of_type(axes, ErrorbarContainer), COMPARED, strict=True
    ):
        assert [bar.get_height() for bar in container] == pytest.approx(expected[name].tolist())
        ends = [segment[:, 1].tolist() for segment in whiskers[2][0].get_segments()]
        low, high = (expected[f"{name}_{end}"].fillna(expected[name]) for end in ("low", "high"))
        assert ends == [pytest.approx(both) for both in zip(low, high, strict=True)]


def test_numbers_stand_below_the_bars_and_the_papers_are_bracketed() -> None:
    written = [text.get_text() for text in by_model(eighteen_tasks()).figure.axes[0].texts]
    first = drawn_bars(eighteen_tasks()).iloc[0]
    low, high = first["recovered_gap_low"], first["recovered_gap_high"]
    for value in (*(f"{first[name]:.2f}" for name in COMPARED), f"{first['recovered_gap']:.2f}"):
        assert value in written
    assert f"{low:.2f} to {high:.2f}" in written
    assert "as reported by Hendel et al. (2023)" in written


def test_bars_of_the_paper_are_paler(table: pd.DataFrame) -> None:
    ours = table["model"].nunique()
    for container in of_type(by_model(table).figure.axes[0], BarContainer):
        measured, reported = (
            {bar.get_facecolor() for bar in part} for part in (container[:ours], container[ours:])
        )
        assert len(measured) == len(reported) == 1
        assert sum(reported.pop()) > sum(measured.pop())


def test_the_title_is_what_is_recovered(table: pd.DataFrame) -> None:
    title = by_model(table).title
    gaps = drawn_bars(table)
    ours = gaps[~gaps["paper"]]
    if (ours["icl"] <= ours["baseline"]).all():
        assert (
            title == "On average over tasks, demonstrations add nothing that a vector could recover"
        )
    elif len(ours) == 1:
        assert f"recovers {ours['recovered_gap'].iloc[0]:.2f}" in title
    else:
        assert "recovers 0.70 of what demonstrations add in 2 models" in title


def test_other_seeds_are_dashes_on_the_bars() -> None:
    rows = pd.concat(task_rows("one", (2, 10 + seed, 9, 9)).assign(seed=seed) for seed in (0, 1, 2))
    spread = numbers.over_seeds(numbers.by_seed(rows))
    plot = by_model(one_task(), spread)
    dashes = [
        line.get_ydata()[0] for line in plot.figure.axes[0].lines if line.get_color() == "black"
    ]
    assert dashes == pytest.approx([0.1, 0.1, 0.55, 0.6, 0.45, 0.45])
    assert "Dashes: seed 1, 2." in plot.note


def test_the_caption_names_tasks_in_doubt_and_counts_those_that_icl_helps() -> None:
    text = by_model(eighteen_tasks()).caption
    assert "a-model: mean over 18 tasks. n = 20 test episodes per task." in text
    assert "ICL gains at least 0.20 over the baseline on 16." in text
    assert "Layer not identified: first of list, en → fr" in text
    assert "95 % bootstrap intervals over tasks" in text
    assert "not identified" not in by_model(one_task()).caption
    assert "over the baseline on 0." in by_model(without_gain()).caption


def test_sizes_of_unequal_tasks_are_a_range() -> None:
    rows = [task_rows("one", (2, 10, 9, 9)), task_rows("two", (2, 10, 9, 9), n=30)]
    table = by_task(pd.concat(rows, ignore_index=True))
    assert "n = 20 to 30 test episodes" in by_model(table).note


def test_models_stand_in_rows_from_the_smallest_and_against_their_size() -> None:
    table = eighteen_tasks().assign(model="gemma-3-270m")
    dumbbells, gaps, depths = models(table).figure.axes
    names = [label.get_text() for label in dumbbells.get_yticklabels()]
    assert names[-1] == "Gemma 3 270M Q4_K_M"
    assert names[0] == "LLaMA 30B"
    assert len(names) == 8
    measured, reported = of_type(gaps, ErrorbarContainer)
    assert list(measured[0].get_xdata()) == [268098176]
    assert len(reported[0].get_xdata()) == 7
    measured, reported = of_type(depths, ErrorbarContainer)
    assert list(measured[0].get_ydata()) == pytest.approx([4 / 6])
    assert len(reported[0].get_xdata()) == 3


def test_a_model_of_unknown_size_has_a_row_and_no_point() -> None:
    plot = models(one_task())
    dumbbells, gaps, _ = plot.figure.axes
    assert "a-model" in [label.get_text() for label in dumbbells.get_yticklabels()]
    measured, _ = of_type(gaps, ErrorbarContainer)
    assert len(measured[0].get_xdata()) == 0
    assert plot.title == "From 2.78B to 32.5B parameters, the recovered gap is 0.80 to 0.90"


def test_no_text_is_cut_or_written_over(table: pd.DataFrame) -> None:
    assert_legible(by_model(table))
    assert_legible(models(table))


def test_drawing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    files = [
        [path.read_bytes() for path in draw(one_task()).write(tmp_path / folder, "figure")]
        for folder in ("first", "second")
        for draw in (by_model, models)
    ]
    assert files[:2] == files[2:]
    assert [content[:4] for content in files[0][:2]] == [b"\x89PNG", b"%PDF"]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"file/figures cannot be written"):
        by_model(one_task()).write(tmp_path / "file" / "figures", "figure")


def of_type(axes: Axes, kind: type) -> list:
    return [container for container in axes.containers if isinstance(container, kind)]
