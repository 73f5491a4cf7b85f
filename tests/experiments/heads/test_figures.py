import pandas as pd
import pytest

from tests.helpers.head_rows import SCORES, ablations_of_two, effects_of_two, induction_rows
from tests.helpers.legible import assert_legible, texts
from tvsight.experiments.heads import KINDS
from tvsight.experiments.heads.figures import APART, NAMED, by_share, scatter
from tvsight.experiments.heads.numbers import agreement, by_task, over_tasks, repetitions, scores
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES


def scored(tokens: int = 100) -> tuple[Plot, pd.DataFrame]:
    of_induction = induction_rows(SCORES, tokens=tokens)
    table = scores(pd.concat(effects_of_two()), of_induction)
    return scatter(table, agreement(table), repetitions(of_induction), "a-model"), table


def averaged(*models: str) -> pd.DataFrame:
    return over_tasks(pd.concat([by_task(pd.concat(ablations_of_two(model))) for model in models]))


def test_every_head_is_a_point_and_the_top_ones_are_named() -> None:
    plot, table = scored()
    (axes,) = plot.figure.axes
    points = [
        (x, y)
        for line in axes.lines
        if line.get_linestyle() == "None"
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    ]
    assert sorted(points) == sorted(zip(table["induction"], table["fv"], strict=True))
    top = table[(table["fv_rank"] <= NAMED) | (table["induction_rank"] <= NAMED)]
    named = {name for text in axes.texts for name in text.get_text().split(", ")}
    assert named == {f"{head['layer']}.{head['head']}" for _, head in top.iterrows()}
    assert plot.title == (
        "The 1 heads of largest FV score and as many of largest induction score have 0 in common; "
        "chance is 0.08"
    )
    assert "12 heads" in plot.note
    assert "100 sequences" in plot.note
    assert "the repetition of 50 random tokens" in plot.caption


def test_a_caption_says_how_many_tokens_a_short_window_had_room_for() -> None:
    assert "the repetition of 31 random tokens" in scored(31)[0].caption


@pytest.mark.parametrize("models", [("a-model",), ("a-model", "b-model")])
def test_lines_are_the_means_of_each_kind_and_icl_is_a_level(models: tuple[str, ...]) -> None:
    means = averaged(*models)
    plot = by_share(means)
    assert len(plot.figure.axes) == len(models)
    for axes, model in zip(plot.figure.axes, models, strict=True):
        of_model = means[means["model"] == model]
        level = axes.lines[0]
        assert set(level.get_ydata()) == {of_model["icl"].iloc[0]}
        for place, (kind, drawn) in enumerate(zip(KINDS, axes.containers, strict=True)):
            line = of_model[of_model["kind"] == kind]
            assert drawn.get_label() == PROCEDURES[f"ablated_{kind}"].title
            assert list(drawn.lines[0].get_ydata()) == line["accuracy"].tolist()
            moved = [heads * APART ** (place - 2) for heads in line["heads"]]
            assert list(drawn.lines[0].get_xdata()) == pytest.approx(moved)
        ticks = [label.get_text() for label in axes.get_xticklabels()]
        assert ticks == ["1\n5 %", "3\n20 %"]
    assert plot.title == (
        "ICL goes from 0.70 to 0.10 with 3 top FV heads at their mean over the task, to 0.50 with "
        "induction heads, to 0.57 with random ones"
    )


def test_figures_are_legible() -> None:
    for plot in (scored()[0], by_share(averaged("a-model")), by_share(averaged("a-model", "b"))):
        assert_legible(plot)
        assert any("heads" in text.get_text() for text in texts(plot.figure))
