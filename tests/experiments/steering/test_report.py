import pytest

from tests.helpers.golden import assert_golden
from tests.helpers.legible import assert_legible
from tests.helpers.recorded import Recorded, Told
from tests.helpers.steering_rows import SHOWN, outcome
from tvsight.experiments.main_results import NAME as CENTRAL
from tvsight.experiments.steering import ALPHAS, METHODS, NAME, Options
from tvsight.experiments.steering.figures import by_context, by_factor
from tvsight.experiments.steering.report import draw
from tvsight.run.outcome import Outcome

MODELS = ("gemma-3-270m", "b-model")


def drawn(found: Outcome) -> tuple[Recorded, str]:
    files, display = Recorded(NAME), Told()
    draw(found, Options(), display, files)
    return files, " ".join(display.text.split())


@pytest.fixture(scope="module")
def both() -> tuple[Recorded, str]:
    return drawn(outcome(*MODELS))


def test_figures_are_those_of_before_and_legible(both: tuple[Recorded, str]) -> None:
    files, _ = both
    names = {f"steering{part}_{model}" for model in MODELS for part in ("", "_collapse")}
    assert set(files.figures) == names
    for part in ("", "_collapse"):
        plot = files.figures[f"steering{part}_{MODELS[0]}"]
        assert_golden(f"steering{part}", plot)
        assert_legible(plot)


def test_tables_and_titles_say_the_numbers(both: tuple[Recorded, str]) -> None:
    files, told = both
    assert set(files.tables) == {
        f"steering{part}" for part in ("", "_means", "_ranges", "_collapse")
    }
    assert "Whole answers, and signs of collapse" in told
    assert files.escaped["steering"] >= {"Model", "Context"}
    ranged, controls = files.cells["steering"]
    first, natural = ranged.iloc[0], ranged[ranged["Context"] == "Natural text"].iloc[0]
    assert first["Added with it"].startswith("0.68 [")
    assert (first["Best α"], first["Helps most with"]) == ("1", "0.5 to 2")
    assert natural["Helps most with"] == "–"
    assert len(controls) == len(MODELS) * len(METHODS) * len(ALPHAS)
    assert controls.iloc[2]["Negated vector"].startswith("0.12")
    assert first["Added, α held out"].startswith("0.68 [")
    (signs,) = files.cells["steering_collapse"]
    assert signs["Mode"].tolist()[:3] == ["no vector", "written over", "added, α = 0.25"]
    assert signs["Divergence"].tolist()[0] == "–"
    assert signs["Right, once"].str.startswith("0.75 [").all()
    assert signs["Change"].str.startswith("-0.50 [").all()
    tables = files.tables
    means, ranges = tables["steering_means"], tables["steering_ranges"]
    name = "Gemma 3 270M Q4_K_M"
    assert by_context(means, ranges, MODELS[0]).title == (
        f"{name}, zero-shot: the task vector reaches 0.62 written over, added at most 0.68 (task "
        "vector, α = 1)"
    )
    signs = tables["steering_collapse"]
    added = by_factor(means, signs[signs["mode"] != "overwrite"], MODELS[0]).title
    assert added.startswith(f"{name}: added with α = 0.25 once, the task vector makes 0.75 of")


def test_with_one_task_no_factor_is_shown_to_help_and_with_none_nothing_is() -> None:
    files, told = drawn(Outcome(outcome("a-model", contexts=SHOWN[:1]).results[:2]))
    assert "no interval over tasks" in told
    assert set(files.cells["steering"][0]["Helps most with"]) == {"–"}
    panels = files.figures["steering_a-model"].figure.axes
    assert [len(axes.get_yticks()) for axes in panels] == [1, 1, 1]  # a vector each, one context
    # Without a result there is nothing to draw.
    files, told = drawn(outcome("a-model").only(CENTRAL))
    assert "nothing to draw" in told
    assert files.tables == files.figures == {}
