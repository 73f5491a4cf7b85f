from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest

from tests.helpers.function_vector_rows import (
    SIZE,
    Tables,
    eighteen_tasks,
    one_task,
    outcome,
    three_tasks,
)
from tests.helpers.golden import assert_golden
from tests.helpers.legible import assert_legible
from tests.helpers.recorded import Recorded, Told
from tvsight.experiments.function_vectors import NAME, Options
from tvsight.experiments.function_vectors.numbers import COMPARED
from tvsight.experiments.function_vectors.report import TITLES, draw
from tvsight.run.outcome import Outcome


def drawn(tables: Tables) -> tuple[Recorded, str]:
    recorded, display = Recorded(NAME), Told()
    draw(outcome(tables), Options(heads=SIZE), display, recorded)
    return recorded, display.text


@pytest.fixture(scope="module")
def of_three() -> tuple[Recorded, str]:
    return drawn(three_tasks())


def test_figures_are_those_of_before(of_three: tuple[Recorded, str]) -> None:
    recorded, said = of_three
    parts = (
        *("", "_means", "_heads", "_effects", "_curve", "_cosines", "_methods", "_overlap"),
        *("_shuffled_methods", "_settings"),
    )
    assert set(recorded.tables) == {f"{NAME}{part}" for part in parts}
    own = {"", "_cosines", "_heads_a-model"}
    methods = {"_methods_a-model", "_shuffled_methods_a-model"}
    assert set(recorded.figures) == {f"{NAME}{part}" for part in own | methods}
    for part in sorted(own):
        assert_golden(f"{NAME}{part.removesuffix('_a-model')}", recorded.figures[f"{NAME}{part}"])
    assert "Heads of the largest mean effect" in said


@pytest.mark.parametrize("tables", [eighteen_tasks, one_task])
def test_texts_can_be_read(tables: Callable[[], Tables]) -> None:
    recorded, _ = drawn(tables())
    for plot in recorded.figures.values():
        assert_legible(plot)
    has_overlap = any("overlap" in name for name in (*recorded.tables, *recorded.figures))
    assert has_overlap == (tables is not one_task)


def test_tables_say_the_numbers(of_three: tuple[Recorded, str]) -> None:
    recorded, _ = of_three
    means, counts, tasks, shuffled, *_ = recorded.cells[NAME]
    assert means["Vector"].tolist() == [TITLES[name] for name in COMPARED]
    by_vector = means.set_index("Vector")
    assert by_vector.loc["Function vector", "Accuracy"].startswith("0.60 [")
    assert by_vector.loc["Function vector", "Recovered gap"].startswith("0.62 [")
    assert by_vector.loc["ICL", "Recovered gap"] == "–"
    assert counts.iloc[0]["Beats baseline"] == "3 of 3"
    assert counts.iloc[0]["Task vector beats it"] == "0 of 3"
    assert tasks["Block"].tolist() == ["3"] * 3
    assert tasks["Note"].tolist() == [""] * 3
    assert shuffled["Block of the function vector"].tolist() == ["4"] * 3
    assert shuffled["Task vector, shuffled labels"].str.startswith("0.80 [").all()
    (settings,) = recorded.cells[f"{NAME}_settings"]
    first = settings[settings["Vector"] == "Sum of the task’s heads"].iloc[1]
    assert (first["Operation"], first["Setting"]) == ("Added", "tuned")
    assert first["Accuracy"].startswith("0.67 [")
    assert first["Over fixed"].startswith("0.30 [")
    assert recorded.figures[NAME].title == (
        "a-model, tuned: a sum of heads and the mean task vector answer 0.67 and 0.47 where they "
        "are added, 0.17 and 0.77 where they are written over"
    )
    (effects,) = recorded.cells[f"{NAME}_effects"]
    first = effects.set_index("Task").loc["two"]
    assert (first["Head 1"], first["Head 2"]) == ("1.3", "0.0")
    assert first["Effect 1"].startswith("0.600 [0.580, 0.620]")
    (pairs,) = recorded.cells[f"{NAME}_overlap"]
    assert pairs["Shared"].tolist() == ["1 of 2"] * 3
    assert pairs[["Task", "Other task"]].iloc[0].tolist() == ["one", "two"]
    (heads,) = recorded.cells[f"{NAME}_heads"]
    assert heads.iloc[0][["Block", "Head", "In vectors"]].tolist() == ["0", "0", "3 of 3 tasks"]
    assert recorded.escaped[NAME] >= {"Model", "Category", "Task"}


def test_methods_stand_side_by_side_also_with_shuffled_labels(
    of_three: tuple[Recorded, str],
) -> None:
    recorded, _ = of_three
    (cells,) = recorded.cells[f"{NAME}_methods"]
    assert cells["Method"].tolist() == [
        *("Baseline", "ICL", "Task vector", "Averaged vector"),
        *("Mean state, added", "Function vector"),
    ]
    (cells,) = recorded.cells[f"{NAME}_shuffled_methods"]
    right = {"Baseline": "0.40", "ICL": "0.90", "Task vector": "0.80", "Function vector": "0.65"}
    accuracies = cells.set_index("Method")["Accuracy"].str[:4]
    assert accuracies[list(right)].to_dict() == right
    wording = recorded.wordings[f"{NAME}_shuffled_methods"]
    assert wording.title == "Methods side by side with shuffled labels"
    plot = recorded.figures[f"{NAME}_shuffled_methods_a-model"]
    assert plot.title.startswith("One model: Recovered gap with shuffled labels: task vector 0.80")
    assert recorded.figures[f"{NAME}_methods_a-model"].title.startswith(
        "One model: Recovered gap: "
    )


def test_notes_are_those_of_models_that_are_drawn() -> None:
    tables = three_tasks()
    found = outcome(tables)
    other = found.results[0]
    key = other.key._replace(model="another-model")
    rows = other.rows.assign(model="another-model")
    found.results = [replace(one, note=f"about {one.experiment}") for one in found.results]
    found.results.append(replace(other, key=key, rows=rows, note="about another model"))
    recorded = Recorded(NAME)
    draw(found, Options(heads=SIZE), Told(), recorded)
    notes = recorded.cells[NAME][-1]
    assert notes["Note"].tolist() == [f"about {NAME}"] * 3
    assert set(notes["Model"]) == {"a-model"}


def test_without_function_vectors_nothing_is_drawn() -> None:
    tables = three_tasks()
    empty = Tables(tables.central, tables.effects, pd.DataFrame(columns=tables.vectors.columns))
    recorded, said = drawn(empty)
    assert (recorded.tables, recorded.figures) == ({}, {})
    assert said == "No function vector was measured: nothing to draw.\n"


def test_settings_have_a_row_for_each_seed_and_the_first_is_drawn() -> None:
    found = outcome(three_tasks())
    first, second = found.labelled(seed=0), found.labelled(seed=3)
    recorded = Recorded(NAME)
    draw(
        Outcome(first.results + second.results), Options(heads=SIZE, seed=(0, 3)), Told(), recorded
    )
    (cells,) = recorded.cells[f"{NAME}_settings"]
    half = len(cells) // 2
    assert cells["Seed"].tolist() == ["0"] * half + ["3"] * half
    accuracies = cells["Accuracy"].tolist()
    assert accuracies[:half] == accuracies[half:]
    assert "seed 0." in recorded.figures[NAME].caption
