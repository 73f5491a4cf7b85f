from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from tests.helpers.control_rows import CATEGORIES, eighteen_tasks, three_tasks
from tests.helpers.legible import assert_legible
from tests.helpers.vector_examples import eighteen, vector_set
from tvsight.experiments.controls.numbers import transfer
from tvsight.experiments.transfer_geometry import numbers
from tvsight.experiments.transfer_geometry.figures import MEANS, OTHERS_NAME, scatter
from tvsight.output.labels import task_title
from tvsight.output.plots import Plot
from tvsight.output.theme import CATEGORY_COLOURS


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    return numbers.pairs(transfer(*eighteen_tasks()), [eighteen()])


@pytest.fixture(scope="module")
def correlations(many: pd.DataFrame) -> pd.DataFrame:
    return numbers.correlations(many)


def drawn(pairs: pd.DataFrame, correlations: pd.DataFrame) -> Plot:
    depths = dict.fromkeys(map(str, pairs["model"]), 6)
    return scatter(pairs, numbers.by_distance(pairs), correlations, depths)


def points(axes: Axes) -> dict[str, np.ndarray]:
    return {str(line.get_label()): line.get_xydata() for line in axes.lines}


def told(*found: tuple[str, float, float]) -> pd.DataFrame:
    """Correlations of models over all pairs, with their p-values."""
    columns = ["model", "correlation", "correlation_p"]
    table = pd.DataFrame(found, columns=columns).assign(ranked=numbers.ALL, pairs=306)
    table = table.assign(significant=table["correlation_p"] < 0.05)
    for end in ("low", "high"):
        table[f"correlation_{end}"] = table["correlation"]
    return table


def test_every_pair_is_a_point_those_of_a_category_in_its_colour(
    many: pd.DataFrame, correlations: pd.DataFrame
) -> None:
    (axes,) = drawn(many, correlations).figure.axes
    found = points(axes)
    assert sum(len(found[name]) for name in found if name != MEANS) == len(many) == 306
    alike = many["category"] == many["source_category"]
    expected = many.loc[~alike, ["distance", "accuracy"]].to_numpy()
    assert np.array_equal(found[OTHERS_NAME], expected)
    for line in axes.lines:
        category = str(line.get_label())
        if category in CATEGORY_COLOURS:
            assert to_hex(line.get_color()) == CATEGORY_COLOURS[category]
            of_category = many[alike & (many["category"] == category)]
            places = of_category[["distance", "accuracy"]].to_numpy()
            assert np.array_equal(line.get_xydata(), places)
    means = numbers.by_distance(many)[["distance", "accuracy"]].to_numpy()
    assert np.array_equal(found[MEANS], means)


def test_remarkable_pairs_are_named_by_the_task_asked_and_whose_vector(
    many: pd.DataFrame, correlations: pd.DataFrame
) -> None:
    (axes,) = drawn(many, correlations).figure.axes
    written = {name for text in axes.texts for name in text.get_text().split(", ")}
    expected = {
        f"{task_title(row['task'])} ({task_title(row['source'])})"
        for _, row in numbers.remarkable(many).iterrows()
    }
    assert written == expected


def test_a_panel_names_its_model_and_the_block_of_the_distances(
    many: pd.DataFrame, correlations: pd.DataFrame
) -> None:
    two = pd.concat([many, many.assign(model="b-model")], ignore_index=True)
    plot = drawn(two, correlations)
    assert [axes.get_title("left") for axes in plot.figure.axes] == [
        f"{model}\nDistances after block 3 of 0–5" for model in ("a-model", "b-model")
    ]
    assert "Mantel's test, two-sided" in plot.caption
    assert "a-model, 306 pairs: Spearman's rank correlation over all pairs " in plot.caption
    assert plot.note.startswith("n = 20 test episodes per point.")


@pytest.mark.parametrize(
    ("found", "title"),
    [
        (
            [("a-model", -0.4, 0.001)],
            "Nearer vectors work better, but distance tells only a part: rank correlation -0.40",
        ),
        ([("a-model", -0.1, 0.4)], "Distance does not tell whose vector works: rank correlation"),
        ([("a-model", 0.4, 0.001)], "Distance does not tell whose vector works: rank correlation"),
        (
            [("a-model", -0.4, 0.001), ("b-model", -0.1, 0.4)],
            "Nearer vectors work better in 1 of 2 models: rank correlation -0.40 (a-model), -0.10",
        ),
        ([("a-model", np.nan, np.nan)], "Accuracy with another task's vector, by its distance"),
    ],
)
def test_the_title_says_whether_nearer_vectors_work_better(
    found: list[tuple[str, float, float]], title: str, many: pd.DataFrame
) -> None:
    assert drawn(many.head(40), told(*found)).title.startswith(title)


@pytest.mark.parametrize("models", [1, 2, 3])
def test_no_text_is_cut_or_written_over(
    models: int, many: pd.DataFrame, correlations: pd.DataFrame
) -> None:
    names = [f"qwen2.5-coder-{number}.5b-instruct" for number in range(models)]
    several = pd.concat([many.assign(model=name) for name in names], ignore_index=True)
    each = pd.concat([correlations.assign(model=name) for name in names], ignore_index=True)
    assert_legible(drawn(several, each))


def test_three_tasks_of_the_user_are_drawn_too() -> None:
    few = numbers.pairs(transfer(*three_tasks()), [vector_set(CATEGORIES)])
    assert_legible(drawn(few, numbers.correlations(few)))


def test_the_same_table_gives_the_same_files(
    many: pd.DataFrame, correlations: pd.DataFrame, tmp_path: Path
) -> None:
    files = [
        [path.read_bytes() for path in drawn(many, correlations).write(tmp_path, name)]
        for name in ("first", "second")
    ]
    assert files[0] == files[1]
