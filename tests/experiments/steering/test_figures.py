from functools import cache

import pandas as pd
import pytest
from matplotlib.collections import PolyCollection

from tests.helpers.legible import assert_legible, texts
from tests.helpers.steering_rows import outcome
from tvsight.experiments.main_results import NAME as CENTRAL
from tvsight.experiments.steering import ALPHAS, CONTEXTS, CONTROLS, METHODS, NAME, VECTOR
from tvsight.experiments.steering.figures import (
    CONTEXT_TITLES,
    OVER,
    TEXT_TITLES,
    by_alpha,
    in_text,
)
from tvsight.experiments.steering.numbers import by_task, over_tasks, ranges
from tvsight.experiments.steering.numbers import in_text as in_text_of
from tvsight.output.procedures import title

MODEL = "gemma-3-270m"


@cache
def rows() -> pd.DataFrame:
    return outcome(MODEL).only(NAME).table


@cache
def means() -> pd.DataFrame:
    return over_tasks(by_task(outcome(MODEL).only(CENTRAL).table, rows()))


def test_a_context_has_a_line_per_method_with_the_band_of_its_gain() -> None:
    plot = by_alpha(means(), ranges(means()), MODEL)
    panels = plot.figure.axes
    headings = [axes.get_title(loc="left") for axes in panels]
    assert headings == [*CONTEXT_TITLES.values(), "Controls of the task vector"]
    for axes, context in zip(panels, CONTEXTS, strict=False):
        of = means()[(means()["context"] == context) & (means()["procedure"] == VECTOR)]
        lines = {line.get_label(): line for line in axes.lines}
        assert ("ICL" in lines) is (context == "zero_shot")
        bands = [one for one in axes.collections if isinstance(one, PolyCollection)]
        for method, band in zip(METHODS, bands, strict=True):
            run = of[(of["method"] == method) & (of["mode"] == "add")]
            drawn = lines[title(method)]
            assert list(drawn.get_xdata()) == list(range(len(ALPHAS)))
            assert list(drawn.get_ydata()) == run["accuracy"].tolist()
            (path,) = band.get_paths()
            high = run["baseline"] + run["gain_high"]
            assert path.vertices[:, 1].max() == pytest.approx(high.max())
        over = of.loc[of["mode"] == "overwrite", "accuracy"].tolist()
        assert [container.lines[0].get_ydata()[0] for container in axes.containers] == over
        shaded = [patch.get_x() + patch.get_width() / 2 for patch in axes.patches]
        assert shaded == ([] if context == "natural" else [1, 2, 3])


def test_controls_stand_beside_the_vector_that_is_best_without_demonstrations() -> None:
    axes = by_alpha(means(), ranges(means()), MODEL).figure.axes[-1]
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    for control in CONTROLS:
        run = means()[(means()["procedure"] == control) & (means()["method"] == "task_vector")]
        assert lines[title(control)] == run["accuracy"].tolist()
    assert [label.get_text() for label in axes.get_xticklabels()] == [f"{a:g}" for a in ALPHAS]
    assert axes.get_ylim()[0] < 0


def test_titles_say_where_the_best_vector_helps() -> None:
    found = ranges(means())
    assert by_alpha(means(), found, MODEL).title == (
        "Added zero-shot, the task vector helps most with α = 0.5 to 2 (0.68 at best, 0.08 "
        "without); it helps in 3 of 4 other contexts; written over, the task vector reaches 0.62"
    )
    nowhere = by_alpha(means(), found.assign(helping=0), MODEL).title
    assert nowhere == (
        "Added to zero-shot prompts, no vector is shown to help with any α (0.68 at best, 0.08 "
        "without); written over, the task vector reaches 0.62"
    )


def test_text_is_drawn_with_the_vector_once_and_at_every_token() -> None:
    found = in_text_of(rows())
    plot = in_text(found, MODEL)
    *drawn, names = plot.figure.axes
    for axes, name in zip(drawn, TEXT_TITLES, strict=True):
        run = found[(found["method"] == "function_vector") & (found["mode"] == "add")]
        (line,) = (line for line in axes.lines if line.get_label() == "Function vector")
        assert list(line.get_ydata()) == run[name].tolist()
        assert len(axes.containers) == len(METHODS)
        assert axes.get_xlim()[1] > OVER
        assert axes.get_ylim()[1] >= run[name].max()
    assert "Function vector" in {text.get_text() for text in names.get_legend().get_texts()}
    assert plot.title == (
        "Written over once, the task vector makes 0.75 of whole answers right, at every token "
        "0.25; added with α = 4 at every token it makes 0.50 of bigrams repeat, once 0.15"
    )
    added = in_text(found[found["mode"] != "overwrite"], MODEL).title
    assert added.startswith("Added with α = 0.25 once, the task vector makes 0.75 of")


def test_figures_are_legible() -> None:
    for plot in (by_alpha(means(), ranges(means()), MODEL), in_text(in_text_of(rows()), MODEL)):
        assert_legible(plot)
        assert "\n" not in plot.figure.texts[-1].get_text()
        assert "over" in {text.get_text() for text in texts(plot.figure)}


def test_one_context_and_no_other_task_can_be_drawn() -> None:
    one = outcome(MODEL, contexts=["zero_shot"])
    steered = one.only(NAME).table
    steered = steered[steered["procedure"] != "any_other_task"]
    few = over_tasks(by_task(one.only(CENTRAL).table, steered))
    plot = by_alpha(few, ranges(few), MODEL)
    assert len(plot.figure.axes) == 2
