import pandas as pd
import pytest

from tests.helpers.example_rows import outcome_of, task_rows
from tests.helpers.recorded import Recorded, Told
from tvsight.config import RunConfig
from tvsight.experiments.main_results import NAME, numbers, report
from tvsight.paper import has_paper_tasks, paper_by_task
from tvsight.protocol.answer_sets import recognition

RESULTS = (
    task_rows("one", (1, 12, 10, 8)),
    task_rows("two", (3, 10, 9, 9), identified=False),
    task_rows("one", (4, 4, 2, 1), model="b-model"),
)


@pytest.fixture(scope="module")
def drawing() -> tuple[Recorded, str]:
    """What is drawn, and what is printed."""
    drawn, display = Recorded(NAME), Told()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "has_paper_tasks", lambda tasks: True)
        report.draw(outcome_of(*RESULTS), RunConfig(), display, drawn)
    return drawn, display.text


def test_the_paper_stands_beside_its_own_tasks_alone() -> None:
    assert has_paper_tasks(paper_by_task()["task"])
    drawn, display = Recorded(NAME), Told()
    report.draw(outcome_of(*RESULTS), RunConfig(), display, drawn)
    means = drawn.tables["main_results_means"]
    assert set(means["source"]) == {"tvsight"}
    said = [wording.note for wording in drawn.wordings.values()]
    said += [display.text, *(of for plot in drawn.figures.values() for of in (plot.caption,))]
    assert [text for text in said if "paper" in text or "Hendel" in text] == []


def test_numbers_are_those_of_tasks_and_of_means(drawing: tuple[Recorded, str]) -> None:
    drawn, _ = drawing
    table = numbers.by_task(pd.concat(RESULTS, ignore_index=True))
    means = numbers.means(table, paper_by_task())
    recognised = recognition(pd.concat(RESULTS, ignore_index=True))
    parts = ("", "_means", "_recognition", "_models")
    assert set(drawn.tables) == {f"main_results{part}" for part in parts}
    pd.testing.assert_frame_equal(drawn.tables["main_results_recognition"], recognised)
    pd.testing.assert_frame_equal(drawn.tables["main_results"], table)
    pd.testing.assert_frame_equal(drawn.tables["main_results_means"], means)


def test_each_model_has_a_figure_of_its_tasks(drawing: tuple[Recorded, str]) -> None:
    drawn, _ = drawing
    of_models = {f"main_results_by_task_{model}" for model in ("a-model", "b-model")}
    assert set(drawn.figures) == {"main_results"} | of_models


def test_the_first_seed_is_drawn_and_a_table_compares_all() -> None:
    drawn = Recorded(NAME)
    results = [
        rows.assign(seed=seed) for seed, right in ((7, 8), (3, 12)) for rows in _of_seed(right)
    ]
    report.draw(outcome_of(*results), RunConfig(seed=(7, 3)), Told(), drawn)
    first = numbers.by_task(pd.concat(_of_seed(8), ignore_index=True))
    pd.testing.assert_frame_equal(drawn.tables["main_results"], first)
    spread = drawn.tables["main_results_seeds"].set_index("quantity")
    assert spread.loc["icl", ["seed_7", "seed_3", "mean"]].tolist() == [0.4, 0.6, 0.5]
    assert spread["tasks"].unique().tolist() == [2]
    (cells,) = drawn.cells["main_results_seeds"]
    assert cells["Range"].iloc[1] == "0.40 to 0.60"
    assert cells["Mean ± SD"].iloc[1] == "0.50 ± 0.14"
    assert "Small: seed 3." in drawn.figures["main_results_by_task_a-model"].note


def _of_seed(right: int) -> list[pd.DataFrame]:
    return [task_rows(task, (1, right, 6, 6)) for task in ("one", "two")]


def test_sizes_are_those_of_the_catalogue(drawing: tuple[Recorded, str]) -> None:
    drawn, _ = drawing
    (cells,) = drawn.cells["main_results_models"]
    of_model = cells.set_index("Model")
    llama = of_model.loc["LLaMA 7B (paper)"]
    assert llama[["Parameters", "Blocks", "Chosen block", "Middle half"]].tolist() == [
        *("6.74B", "32", "13", "12 to 14")
    ]
    assert of_model.loc["a-model", ["Parameters", "Blocks", "Chosen block"]].tolist() == [
        *("–", "6", "3")
    ]


def test_texts_are_a_row_per_task_and_a_mean_per_category(drawing: tuple[Recorded, str]) -> None:
    drawn, _ = drawing
    tasks, means = drawn.cells["main_results"]
    assert tasks["Task"].tolist() == ["one", "two", "mean of custom", "one", "mean of custom"]
    assert tasks["Task vector"].iloc[2] == "0.47"  # of 10 and 9 right answers of 20
    assert tasks["Block"].tolist() == ["3", "3", "–", "3", "–"]
    assert tasks["n (queries)"].iloc[0] == "20 (20)"
    assert tasks["Note"].tolist() == ["", "layer not identified", "", "", ""]
    assert tasks["Chance"].iloc[0] == "1.00"
    assert tasks["Most frequent answer"].iloc[0] == "yes (1.00)"
    assert tasks["ICL − task vector"].iloc[0] == "0.10 [0.00, 0.25]"
    assert means["Tasks are"].iloc[0] == "all"
    _, counts = drawn.cells["main_results_means"]
    assert counts["ICL gains 0.20"].iloc[0] == "2 of 2"
    assert counts["Model"].tolist() == ["a-model", "b-model"]
    assert counts["Layer identified (Holm)"].tolist() == [*("1 of 2 (1 of 2)", "0 of 0 (1 of 1)")]
    assert counts["Task vector − baseline > 0 (Holm)"].tolist() == [
        *("2 of 2 (2 of 2)", "0 of 0 (0 of 1)")
    ]
    assert means["Model"].iloc[-1] == "All seven (paper)"
    pd.testing.assert_frame_equal(drawn.cells["main_results_means"][0], means)


def test_words_from_elsewhere_are_escaped(drawing: tuple[Recorded, str]) -> None:
    drawn, _ = drawing
    for name, tables in drawn.cells.items():
        words = {"Model", "Category", "Task"}.intersection(*map(set, tables[:1]))
        assert "Model" in words <= drawn.escaped[name]


def test_only_a_model_that_demonstrations_never_help_is_named(
    drawing: tuple[Recorded, str],
) -> None:
    _, text = drawing
    assert text.count("demonstrations help on no task. Likely causes: ") == 1
    assert "b-model: demonstrations help on no task" in text
    assert "a-model: accuracy on test episodes" in text
