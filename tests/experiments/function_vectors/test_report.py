from dataclasses import replace

import pandas as pd

from tests.helpers.function_vector_rows import SIZE, Tables, one_task, outcome, three_tasks
from tests.helpers.legible import assert_legible
from tests.helpers.recorded import Recorded, Told
from tvsight.experiments.function_vectors import NAME, Options
from tvsight.experiments.function_vectors.numbers import COMPARED
from tvsight.experiments.function_vectors.report import TITLES, draw


def drawn(tables: Tables) -> tuple[Recorded, str]:
    recorded, display = Recorded(NAME), Told()
    draw(outcome(tables), Options(heads=SIZE), display, recorded)
    return recorded, display.text


def test_every_table_and_figure_is_written() -> None:
    recorded, said = drawn(three_tasks())
    parts = (
        *("", "_means", "_heads", "_effects", "_curve", "_cosines", "_methods", "_overlap"),
        "_shuffled_methods",
    )
    assert set(recorded.tables) == {f"{NAME}{part}" for part in parts}
    assert set(recorded.figures) == {
        NAME,
        f"{NAME}_cosines",
        *(f"{NAME}_{part}_a-model" for part in ("heads", "methods", "shuffled_methods", "overlap")),
    }
    assert "Heads of the largest mean effect" in said


def test_one_task_shares_no_heads_with_another() -> None:
    recorded, _ = drawn(one_task())
    assert not [name for name in (*recorded.tables, *recorded.figures) if "overlap" in name]


def test_tables_say_the_numbers() -> None:
    recorded, _ = drawn(three_tasks())
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


def test_methods_stand_side_by_side_with_the_function_vector() -> None:
    recorded, _ = drawn(three_tasks())
    (cells,) = recorded.cells[f"{NAME}_methods"]
    assert cells["Method"].tolist() == [
        *("Baseline", "ICL", "Task vector", "Averaged vector"),
        *("Mean state, added", "Function vector"),
    ]


def test_methods_with_shuffled_labels_have_a_table_and_a_figure_that_say_so() -> None:
    recorded, _ = drawn(three_tasks())
    (cells,) = recorded.cells[f"{NAME}_shuffled_methods"]
    accuracies = cells.set_index("Method")["Accuracy"].str[:4]
    assert accuracies["Baseline"] == "0.40"
    assert accuracies["ICL"] == "0.90"
    assert accuracies["Task vector"] == "0.80"
    assert accuracies["Function vector"] == "0.65"
    wording = recorded.wordings[f"{NAME}_shuffled_methods"]
    assert wording.title == "Methods side by side with shuffled labels"
    plot = recorded.figures[f"{NAME}_shuffled_methods_a-model"]
    assert plot.title.startswith("Recovered gap with shuffled labels: task vector 0.80")
    assert_legible(plot)
    assert recorded.figures[f"{NAME}_methods_a-model"].title.startswith("Recovered gap: ")


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
