"""The two scores of heads, and the accuracy that is lost without some of them."""

from itertools import product
from typing import Any

import pandas as pd

from tvsight.experiments.heads import CHOOSES, DRAWS, KINDS, REPLACEMENTS
from tvsight.output.labels import counted, display_name, number
from tvsight.output.marks import grid_of_panels, look_of, whiskered
from tvsight.output.panels import legend_above
from tvsight.output.placing import name_points
from tvsight.output.plots import Plot
from tvsight.output.procedures import title
from tvsight.output.theme import ONE_COLUMN, TWO_COLUMNS, new_figure

NAMED = 5
"""Heads of the largest scores of each kind that are named."""
REST, BOTH = "#b5b5b5", "#222222"
"""Colours of heads that are not named, and of those that are among the largest by both scores."""
APART = 1.03
"""The factor between the places of neighbouring lines, so that whiskers stand side by side."""


def scatter(table: pd.DataFrame, agreed: pd.DataFrame, repeated: pd.DataFrame, model: str) -> Plot:
    """The FV score of every head against its induction score.

    Args:
        table: from `numbers.scores`.
        agreed: from `numbers.agreement`.
        repeated: from `numbers.repetitions`.
    """
    rows = table[table["model"] == model]
    known = agreed[agreed["model"] == model].iloc[0]
    high, copying = rows["fv_rank"] <= NAMED, rows["induction_rank"] <= NAMED
    fv, induction = (look_of(f"ablated_{kind}") for kind in ("fv", "induction"))
    groups = {
        "Other heads": (~high & ~copying, {"color": REST, "marker": "o", "linestyle": ""}),
        f"{NAMED} of largest FV score": (high & ~copying, fv),
        f"{NAMED} of largest induction score": (~high & copying, induction),
        "Both": (high & copying, {"color": BOTH, "marker": "D", "linestyle": ""}),
    }
    figure = new_figure(1.5 * ONE_COLUMN, 3.6)
    axes = figure.subplots()
    points = {}
    for label, (members, look) in groups.items():
        group_rows = rows[members]
        if group_rows.empty:
            continue
        size = 3.0 if label == "Other heads" else 4.2
        places = group_rows["induction"], group_rows["fv"]
        axes.plot(*places, **look, markersize=size, markeredgewidth=0, label=label)
        if label != "Other heads":
            for head in group_rows.to_dict("records"):
                name = f"{head['layer']}.{head['head']}"
                points[name] = (float(head["induction"]), float(head["fv"]), look["color"])
    axes.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    axes.set(xlabel="Induction score", ylabel="FV score")
    axes.margins(0.08)
    figure.legend(ncols=2, loc="outside upper left", fontsize=6.5)
    name_points(figure, axes, points)
    chooses = (repeated["model"] == model) & (repeated["definition"] == CHOOSES)
    of = repeated[chooses].iloc[0]
    tasks = counted(rows["tasks"].max(), "task")
    note = (
        f"{display_name(model)}, {known['heads']} heads, named block.head. Means over {tasks} and "
        f"{of['sequences']} sequences."
    )
    caption = (
        f"{note} FV score: the change of the answer's probability when the head of a prompt with "
        "shuffled labels is replaced by its mean over prompts with the right ones. Induction "
        f"score: the attention from each token of the repetition of {of['tokens']} random tokens "
        "to the token after its earlier copy. Spearman's correlation "
        f"{number(known['correlation'])}; of the two definitions of the induction score "
        f"{number(known['definitions'])}. Of the {known['top']} heads of largest score, both have "
        f"{known['shared']}; random sets would share {number(known['expected'])}."
    )
    finding = (
        f"The {known['top']} heads of largest FV score and as many of largest induction score have "
        f"{known['shared']} in common; chance is {number(known['expected'])}"
    )
    return Plot(figure, finding, caption, note)


def losses(means: pd.DataFrame) -> Plot:
    """Mean ICL accuracy lost by the number of ablated heads: a row of panels per model, a column
    per replacement.

    Args:
        means: from `numbers.over_tasks`.
    """
    means = means[means["group"] == "all"]
    models = list(means["model"].unique())
    figure = new_figure(TWO_COLUMNS, 0.7 + 2.2 * len(models))
    across = len(REPLACEMENTS)
    panels = grid_of_panels(figure, across * len(models), across, sharey=True)
    places = product(models, REPLACEMENTS.items())
    for axes, (model, (replaced_by, words)) in zip(panels, places, strict=True):
        rows = means[(means["model"] == model) & (means["replaced_by"] == replaced_by)]
        axes.set_title(f"{display_name(model)}\nheads at {words}", loc="left", fontsize=7)
        axes.yaxis.grid(True)
        axes.axhline(0, color="0.8", linewidth=0.6, zorder=0)
        for index, kind in enumerate(KINDS):
            line, name = rows[rows["kind"] == kind], f"ablated_{kind}"
            at = line["heads"].astype(float) * APART ** (index - len(KINDS) // 2)
            look = look_of(name) | {"linestyle": ":" if "excluding" in kind else "-"}
            sizes: Any = {"markersize": 3.2, "linewidth": 1.1, "elinewidth": 0.6}
            whiskered(axes, line, "loss", at, label=title(name), **look, **sizes)
        ticks = sorted(set(rows["heads"].astype(int)))
        axes.set(xscale="log", xlabel="Ablated heads (log scale)")
        axes.set_xticks(ticks, list(map(str, ticks)), minor=False)
        axes.minorticks_off()
    for axes in panels[::across]:
        axes.set_ylabel("ICL accuracy lost")
    legend_above(figure, panels[0], 3, 6.5)
    note = (
        f"Means over {counted(means['tasks'].max(), 'task')}, {DRAWS} draws of random heads. "
        "Whiskers: 95 % bootstrap intervals over tasks of the paired loss."
    )
    caption = (
        f"{note} At the last token the heads have their mean over few-shot dev prompts of the "
        "other tasks, zero, or their mean over those of the same task. The last is what a function "
        "vector sums, so it removes what depends on the query alone. FV heads of a task are chosen "
        "by their mean effect on the other tasks. “No top …”: the top heads of the other kind, as "
        "many, are left out before the choice. Random heads have none of the top of either kind. "
        "A share that has no more heads than a smaller one is left out. Neighbouring lines are "
        "moved apart a little."
    )
    return Plot(figure, _finding(means), caption, note)


def _finding(means: pd.DataFrame) -> str:
    """What is lost without the largest sets, of the first model."""
    model_rows = means[means["model"] == means["model"].iloc[0]]
    most = model_rows[model_rows["heads"] == model_rows["heads"].max()]
    lost = most.set_index(["replaced_by", "kind"])["loss"]
    other, own = (lost[of, "fv"] for of in ("other_tasks", "own_task"))
    induction, drawn = (lost["other_tasks", kind] for kind in ("induction", "random"))
    first = most.iloc[0]
    return (
        f"{display_name(str(first['model']))}: {first['heads']} FV heads at other tasks’ means "
        f"cost {number(other)} of ICL’s {number(first['icl'])}, induction heads "
        f"{number(induction)}, random ones {number(drawn)}; FV heads at the task’s own mean "
        f"{number(own)}"
    )
