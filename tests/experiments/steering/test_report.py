import pytest

from tests.helpers.recorded import Recorded, Told
from tests.helpers.steering_rows import SHOWN, outcome
from tvsight.experiments.main_results import NAME as CENTRAL
from tvsight.experiments.steering import ALPHAS, METHODS, NAME, Options
from tvsight.experiments.steering.report import draw
from tvsight.run.outcome import Outcome

MODELS = ("a-model", "b-model")


@pytest.fixture(scope="module")
def drawn() -> tuple[Recorded, str]:
    files, display = Recorded(NAME), Told()
    draw(outcome(*MODELS, contexts=SHOWN), Options(), display, files)
    return files, display.text


def test_every_table_and_figure_is_drawn(drawn: tuple[Recorded, str]) -> None:
    files, told = drawn
    parts = ("", "_means", "_ranges", "_collapse")
    assert set(files.tables) == {f"steering{part}" for part in parts}
    names = {f"steering{part}_{model}" for model in MODELS for part in ("", "_collapse")}
    assert set(files.figures) == names
    assert "Whole answers, and signs of collapse" in told
    assert files.escaped["steering"] >= {"Model", "Category", "Task"}


def test_tables_say_the_numbers(drawn: tuple[Recorded, str]) -> None:
    files, _ = drawn
    ranged, controls, tasks = files.cells["steering"]
    first, natural = ranged.iloc[0], ranged[ranged["Context"] == "Natural text"].iloc[0]
    assert first["Added with it"].startswith("0.68 [")
    assert (first["Best α"], first["Helps most with"]) == ("1", "0.5 to 2")
    assert natural["Helps most with"] == "–"
    assert len(controls) == len(MODELS) * len(METHODS) * len(ALPHAS)
    assert controls.iloc[2]["Negated vector"].startswith("0.12")
    assert tasks["Task vector, added"].tolist()[0].startswith("0.70 [")
    assert tasks["Task vector, added"].str.endswith("after 3").all()
    (signs,) = files.cells["steering_collapse"]
    assert signs["Mode"].tolist()[:3] == ["no vector", "written over", "added, α = 0.25"]
    assert signs["Divergence"].tolist()[0] == "–"
    assert signs["Right, once"].str.startswith("0.75 [").all()
    assert signs["Change"].str.startswith("-0.50 [").all()


def test_with_one_task_no_factor_is_shown_to_help() -> None:
    files, display = Recorded(NAME), Told()
    of_both = outcome("a-model", contexts=SHOWN[:1])
    draw(Outcome(of_both.results[:2]), Options(), display, files)
    assert "no interval over tasks" in " ".join(display.text.split())
    ranged, *_ = files.cells["steering"]
    assert set(ranged["Helps most with"]) == {"–"}


def test_without_a_result_there_is_nothing_to_draw() -> None:
    files, display = Recorded(NAME), Told()
    draw(outcome("a-model").only(CENTRAL), Options(), display, files)
    assert "nothing to draw" in display.text
    assert files.tables == files.figures == {}
