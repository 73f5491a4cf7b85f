import pandas as pd

from tests.helpers.function_vector_rows import SIZE, Tables, one_task, outcome, three_tasks
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
    parts = ("", "_means", "_heads", "_effects", "_curve", "_cosines", "_methods", "_overlap")
    assert set(recorded.tables) == {f"{NAME}{part}" for part in parts}
    assert set(recorded.figures) == {
        NAME,
        f"{NAME}_cosines",
        *(f"{NAME}_{part}_a-model" for part in ("heads", "methods", "overlap")),
    }
    assert "Heads of the largest mean effect" in said


def test_one_task_shares_no_heads_with_another() -> None:
    recorded, _ = drawn(one_task())
    assert not [name for name in (*recorded.tables, *recorded.figures) if "overlap" in name]


def test_tables_say_the_numbers() -> None:
    recorded, _ = drawn(three_tasks())
    means, counts, tasks, *_ = recorded.cells[NAME]
    assert means["Vector"].tolist() == [TITLES[name] for name in COMPARED]
    by_vector = means.set_index("Vector")
    assert by_vector.loc["Function vector", "Accuracy"].startswith("0.60 [")
    assert by_vector.loc["Function vector", "Recovered gap"].startswith("0.62 [")
    assert by_vector.loc["ICL", "Recovered gap"] == "–"
    assert counts.iloc[0]["Beats baseline"] == "3 of 3"
    assert counts.iloc[0]["Task vector beats it"] == "0 of 3"
    assert tasks["Block"].tolist() == ["3"] * 3
    assert tasks["Note"].tolist() == [""] * 3
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


def test_without_function_vectors_nothing_is_drawn() -> None:
    tables = three_tasks()
    empty = Tables(tables.central, tables.effects, pd.DataFrame(columns=tables.vectors.columns))
    recorded, said = drawn(empty)
    assert (recorded.tables, recorded.figures) == ({}, {})
    assert said == "No function vector was measured: nothing to draw.\n"
