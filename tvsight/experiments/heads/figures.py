"""The two scores of heads, and accuracy by the number of heads that are taken out."""

from typing import Any

import pandas as pd

from tvsight.experiments.heads import CHOOSES, DRAWS, KINDS
from tvsight.output.labels import counted, display_name, number
from tvsight.output.marks import level, look_of, whiskered
from tvsight.output.panels import legend_above, model_panels
from tvsight.output.placing import name_points
from tvsight.output.plots import Plot
from tvsight.output.procedures import title
from tvsight.output.theme import ONE_COLUMN, new_figure

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


def by_share(means: pd.DataFrame) -> Plot:
    """Mean ICL accuracy by the number of ablated heads, a panel per model.

    Args:
        means: from `numbers.over_tasks`.
    """
    models = list(means["model"].unique())
    figure, panels = model_panels(models, 3.2, alone=0.75)
    for axes, model in zip(panels, models, strict=True):
        model_rows = means[means["model"] == model]
        level(axes, model_rows["icl"].iloc[0], "icl", label=title("icl"))
        for index, kind in enumerate(KINDS):
            line, name = model_rows[model_rows["kind"] == kind], f"ablated_{kind}"
            at = line["heads"].astype(float) * APART ** (index - len(KINDS) // 2)
            look = look_of(name) | {"linestyle": ":" if "excluding" in kind else "-"}
            sizes: Any = {"markersize": 3.6, "linewidth": 1.2, "elinewidth": 0.7}
            whiskered(axes, line, "accuracy", at, label=title(name), **look, **sizes)
        ticks = sorted(set(model_rows["heads"].astype(int)))
        axes.set(xscale="log", ylim=(0, 1), xlabel="Ablated heads (log scale)")
        shares = model_rows.groupby("heads")["share"].min()
        axes.set_xticks(
            ticks, [f"{tick}\n{shares[tick]:.0%}".replace("%", " %") for tick in ticks], minor=False
        )
        axes.minorticks_off()
    panels[0].set_ylabel("Mean ICL accuracy on test")
    legend_above(figure, panels[0], 2, 6.5)
    note = (
        f"Means over {counted(means['tasks'].max(), 'task')}, {DRAWS} draws of random heads. "
        "Whiskers: 95 % bootstrap intervals over tasks."
    )
    caption = (
        f"{note} The heads are replaced by their means over few-shot dev prompts of the same "
        "task, at the last token. This removes what depends on the query alone, and leaves what a "
        "function vector sums. FV heads of a task are chosen by their mean effect on the other "
        "tasks. "
        "“No top …”: the top heads of the other kind, as many, are left out before the choice. "
        "A share that has no more heads than a smaller one is left out. Neighbouring lines are "
        "moved apart a little."
    )
    return Plot(figure, _finding(means), caption, note)


def _finding(means: pd.DataFrame) -> str:
    """The accuracy without the largest sets, of the first model."""
    model_rows = means[means["model"] == means["model"].iloc[0]]
    most = model_rows[model_rows["heads"] == model_rows["heads"].max()].set_index("kind")
    accuracy = {kind: number(most.loc[kind, "accuracy"]) for kind in ("fv", "induction", "random")}
    return (
        f"ICL goes from {number(most['icl'].iloc[0])} to {accuracy['fv']} with "
        f"{most['heads'].iloc[0]} top FV heads at their mean over the task, to "
        f"{accuracy['induction']} with induction heads, to {accuracy['random']} with random ones"
    )
