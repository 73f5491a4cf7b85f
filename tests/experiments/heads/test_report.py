from dataclasses import replace

import pytest

from tests.helpers.head_rows import SCORES, induction_rows, outcome
from tests.helpers.recorded import Recorded, Told
from tvsight.config import RunConfig
from tvsight.experiments.heads import INDUCTION, NAME
from tvsight.experiments.heads.report import draw


def drawn(*models: str, ablated: bool = True) -> tuple[Recorded, str]:
    files, display = Recorded(NAME), Told()
    draw(outcome(*models, ablated=ablated), RunConfig(), display, files)
    return files, display.text


@pytest.mark.parametrize("models", [("a-model",), ("a-model", "b-model")])
def test_every_table_and_figure_is_drawn(models: tuple[str, ...]) -> None:
    files, told = drawn(*models)
    assert set(files.tables) == {"heads", "heads_means", "heads_agreement", "heads_scores"}
    assert set(files.figures) == {"heads", *(f"heads_scores_{model}" for model in models)}
    assert "at their mean over the task" in " ".join(told.split())
    assert files.escaped["heads"] >= {"Model", "Category", "Task"}


def test_tables_say_the_numbers() -> None:
    files, _ = drawn("a-model")
    means, tasks = files.cells["heads"]
    largest = means[means["Heads"] == "3"].set_index("Ablated")
    assert largest.loc["FV heads", "Accuracy"] == "0.10 [0.00, 0.20]"
    assert largest.loc["FV heads", "Tasks below random"] == "2 of 2"
    assert largest.loc["Random heads", "Below random"] == "–"
    assert largest.loc["Random heads", "Tasks below random"] == "–"
    assert tasks["ICL"].str.startswith(("0.80", "0.60")).all()
    assert tasks["FV heads"].str[:4].tolist() == ["0.20", "0.00"]
    (agreed,) = files.cells["heads_agreement"]
    assert agreed["Shared"].tolist() == ["0 of 1"]
    (heads,) = files.cells["heads_scores"]
    assert heads.iloc[0]["FV score"].startswith("0.300 [0.100, 0.500]")
    assert heads.iloc[0]["Induction, 50 tokens 2 times"] == "0.200 [0.180, 0.220]"


def test_headings_say_how_many_tokens_were_repeated() -> None:
    found = outcome("a-model", "b-model")
    for number, one in enumerate(found.results):
        if one.experiment == INDUCTION and one.key.model == "b-model":
            found.results[number] = replace(one, rows=induction_rows(SCORES, "b-model", tokens=31))
    files = Recorded(NAME)
    draw(found, RunConfig(), Told(), files)
    (heads,) = files.cells["heads_scores"]
    headings = [heading for heading in heads if heading.startswith("Induction, ")]
    assert headings == ["Induction, 31 to 50 tokens 2 times", "Induction, 31 to 100 tokens 4 times"]


def test_without_a_second_task_the_scores_alone_are_drawn() -> None:
    files, told = drawn("a-model", ablated=False)
    assert set(files.tables) == {"heads_agreement", "heads_scores"}
    assert "two are needed" in told
