from pathlib import Path

import pandas as pd
import pytest
from matplotlib.axes import Axes

from tests.helpers.example_rows import swept_rows, task_rows
from tests.helpers.function_vector_rows import method_rows
from tests.helpers.legible import assert_legible
from tvsight.experiments.layer_sweep import figures, numbers
from tvsight.output.plots import Plot
from tvsight.output.procedures import COMPARED, PROCEDURES
from tvsight.output.theme import READABLE, contrast
from tvsight.protocol.layers import by_layer, over_tasks, paper_by_layer

PAPER = ["GPT-J 6B (paper)", "LLaMA 7B (paper)", "Pythia 6.9B (paper)"]


def swept(*models: str) -> pd.DataFrame:
    right = {"one": [0, 2, 4, 1], "two": [0, 4, 4, 3]}
    return pd.concat([swept_rows(task, r, model) for model in models for task, r in right.items()])


@pytest.fixture
def rows() -> pd.DataFrame:
    return swept("a-model")


def curves(rows: pd.DataFrame, paper: bool = True, least: float | None = None) -> Plot:
    table = by_layer(rows)
    means = numbers.curves(table, least)
    kept = numbers.with_peak_above(table, least)
    tested, methods = numbers.on_test(rows), numbers.of_methods(numbers.by_method(rows))
    peaks = numbers.highest(means, methods)
    return figures.curves(means, peaks, kept, tested, methods, paper, least)


def heat_map(rows: pd.DataFrame) -> Plot:
    return figures.heat_map(by_layer(rows), numbers.on_test(rows), "a-model")


def lines(axes: Axes) -> dict[str, list[float]]:
    return {str(line.get_label()): list(line.get_ydata()) for line in axes.lines}


def test_a_model_has_a_panel_with_its_tasks_and_their_mean(rows: pd.DataFrame) -> None:
    left, _ = curves(rows).figure.axes
    expected = over_tasks(by_layer(rows))["accuracy"].tolist()
    assert lines(left)["Task vector"] == expected
    drawn = [list(line.get_ydata()) for line in left.lines if line.get_linewidth() < 1]
    assert drawn == [[0, 0.5, 1, 0.25], [0, 1, 1, 0.75]]
    (mean,) = [line for line in left.lines if line.get_label() == "Task vector"]
    assert list(mean.get_xdata()) == [0, 1, 2, 3]


def test_levels_are_means_on_test() -> None:
    rows = pd.concat([task_rows("one", (2, 10, 9, 9)), task_rows("two", (4, 20, 9, 9))])
    left, _ = curves(rows).figure.axes
    levels = {
        line.get_color(): line.get_ydata()[0] for line in left.lines if line.get_linestyle() == "--"
    }
    assert levels[PROCEDURES["icl"].colour] == pytest.approx(0.75)
    assert levels[PROCEDURES["baseline"].colour] == pytest.approx(0.15)


def test_means_of_all_models_are_drawn_against_relative_depth(rows: pd.DataFrame) -> None:
    right = curves(rows).figure.axes[-1]
    assert list(lines(right)) == ["a-model", *PAPER]
    paper = over_tasks(paper_by_layer())
    llama = paper[paper["model"] == "llama-7b"]["accuracy"].tolist()
    assert lines(right)["LLaMA 7B (paper)"] == llama
    assert list(right.lines[0].get_xdata()) == [0.25, 0.5, 0.75, 1]
    assert list(lines(curves(rows, paper=False).figure.axes[-1])) == ["a-model"]


def test_titles_and_captions_name_the_peaks(rows: pd.DataFrame) -> None:
    alone = curves(rows, paper=False)
    assert alone.title == "Mean accuracy peaks at 1.00 after block 2 of 0–3"
    assert "a-model: peak 1.00 after block 2 of 0–3, block 2 alone" in alone.caption
    assert "(paper): peak" not in alone.caption
    several = curves(swept("a-model", "b-model"))
    assert several.title == (
        "Mean accuracy peaks at 0.75 of the depth in 2 models, at 0.44 to 0.50 in the paper's"
    )


def test_the_authors_filter_is_said_and_holds_for_their_models_too(rows: pd.DataFrame) -> None:
    low = swept_rows("three", [0, 1, 2, 0])
    plot = curves(pd.concat([rows, low]), least=0.75)
    assert "Only tasks whose best block is above 0.75." in plot.note
    assert "mean over 2 tasks" in plot.caption
    assert "LLaMA 7B (paper): peak 0.86 after block 14 of 0–31" in plot.caption


def test_the_heat_map_holds_every_cell_and_marks_the_chosen(rows: pd.DataFrame) -> None:
    left = heat_map(rows).figure.axes[0]
    cells = left.collections[0].get_array()
    assert cells.ravel().tolist() == [0, 0.5, 1, 0.25, 0, 1, 1, 0.75]
    dots = [
        pair
        for line in left.lines
        for pair in zip(*line.get_data(), strict=True)
        if line.get_marker() == "o"
    ]
    assert dots == [(2.5, 0.5), (1.5, 1.5)]
    for line in left.lines:
        if line.get_marker() == "o":  # seen in cells of any shade
            assert contrast(line.get_markerfacecolor(), line.get_markeredgecolor()) > READABLE


def test_beside_the_heat_map_are_accuracies_on_test() -> None:
    rows = pd.concat(
        [task_rows("one", (2, 10, 9, 9)), task_rows("two", (4, 20, 9, 9), identified=False)]
    )
    plot = heat_map(rows)
    right = plot.figure.axes[1]
    cells = right.collections[0].get_array()
    assert cells.ravel().tolist() == pytest.approx([0.1, 0.5, 0.45, 0.2, 1.0, 0.45])
    assert [label.get_text() for label in right.get_xticklabels()] == ["Baseline", "ICL", "Vector"]
    assert [text.get_text() for text in right.texts][:3] == ["0.10", "0.50", "0.45"]
    assert len(COMPARED) == 3
    assert "hollow: layer not identified" in plot.note
    assert "hollow" not in heat_map(rows[rows["task"] == "one"]).note


def test_models_are_told_apart_without_colour() -> None:
    models = ["a-model", "b-model", "c-model"]
    against_depth = curves(swept(*models)).figure.axes[-1]
    ours = [line for line in against_depth.lines if str(line.get_label()) in models]
    theirs = [line for line in against_depth.lines if str(line.get_label()) in PAPER]
    assert len({line.get_marker() for line in ours}) == 3
    assert len({line.get_linestyle() for line in theirs}) == 3


@pytest.mark.parametrize("models", [1, 2, 3, 4])
def test_no_text_is_cut_or_written_over(models: int) -> None:
    names = [f"qwen2.5-coder-{number}.5b-instruct" for number in range(models)]
    assert_legible(curves(swept(*names)))


def test_no_text_of_the_heat_map_is_cut_or_written_over() -> None:
    tasks = [task_rows(f"task {number}", (2, 10, 9, 9)) for number in range(6)]
    assert_legible(heat_map(pd.concat(tasks)))


def test_the_same_table_gives_the_same_files(rows: pd.DataFrame, tmp_path: Path) -> None:
    first = [path.read_bytes() for path in curves(rows).write(tmp_path, "one")]
    assert [path.read_bytes() for path in curves(rows).write(tmp_path, "two")] == first


def test_a_further_method_is_a_line_with_its_name() -> None:
    rows = pd.concat([task_rows("one", (2, 10, 9, 9)), method_rows("one", 9)])
    left, _ = curves(rows).figure.axes
    drawn = [line for line in left.lines if line.get_color() == PROCEDURES["mean_state"].colour]
    (line,) = [line for line in drawn if len(line.get_xdata()) == 6]
    assert list(line.get_ydata()) == pytest.approx([1 / 3, 1 / 3, 1, 1 / 3, 1 / 3, 1 / 3])
    assert "Mean state, added" in {text.get_text() for text in left.texts}
    assert_legible(curves(rows))
