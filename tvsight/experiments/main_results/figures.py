"""Figure 4 of the paper: models against each other."""

from typing import Any

import pandas as pd

from tvsight.experiments.main_results.numbers import MIN_ICL_GAIN
from tvsight.output import marks
from tvsight.output.labels import (
    MISSING,
    NOT_IDENTIFIED,
    counted,
    display_name,
    ends,
    interval,
    of_models,
    sizes,
    task_title,
)
from tvsight.output.marks import legend_of, points
from tvsight.output.plots import Plot
from tvsight.output.procedures import COMPARED, PROCEDURES, title
from tvsight.output.theme import TWO_COLUMNS, new_figure, tinted

PAPER_TINT = 0.5
"""Of the colours of the paper's own numbers, which stand below ours."""
PALER = " Paler: as reported by Hendel et al. (2023)."
ROW, NAME_ABOVE = 0.32, 0.42
"""Height of a model, in inches, and of its name over its points, in rows."""
SMALL = 6.5
"""Size of names and numbers in the panel, in points."""
BEHIND = "icl_minus_task_vector"


def by_model(by_size: pd.DataFrame, table: pd.DataFrame) -> Plot:
    """Mean accuracy of the three procedures, a row per model (Figure 4), and the recovered gap.

    Args:
        by_size: from `numbers.by_size`; the paper's models are drawn paler.
        table: from `numbers.by_task`; the caption gives its numbers of episodes.
    """
    rows = by_size.sort_values(["paper", "parameters"], kind="stable").iloc[::-1]
    rows = rows.assign(place=range(len(rows)))
    figure = new_figure(TWO_COLUMNS, 0.7 + ROW * len(rows))
    axes = figure.subplots()
    marks.dumbbells(axes, rows["place"], rows[list(COMPARED)], color="0.8", linewidth=1)
    for is_paper, model_rows in rows.groupby("paper"):
        tint = PAPER_TINT if is_paper else 1.0
        for procedure in COMPARED:
            colour = tinted(PROCEDURES[procedure].colour, tint)
            look: Any = {"color": colour, "markersize": 4.6, "zorder": 3}
            look["label"] = None if is_paper else title(procedure)
            points(axes, model_rows[procedure], model_rows["place"], procedure, **look)
        low, high = (model_rows["icl"] - model_rows[f"{BEHIND}_{end}"] for end in ("high", "low"))
        axes.hlines(model_rows["place"], low, high, color=tinted("0.1", tint), linewidth=1.1)
    style: Any = {"va": "center", "fontsize": SMALL}
    beside = style | {"transform": axes.get_yaxis_transform()}
    for _, row in rows.iterrows():
        name = display_name(row["model"]) + (" (paper)" if row["paper"] else "")
        axes.text(0, row["place"] + NAME_ABOVE, name, **style)
        gap = interval(row, "recovered_gap") if row["icl"] > row["baseline"] else MISSING
        axes.text(1.03, row["place"], gap, **beside)
    axes.text(1.03, len(rows) - 0.5 + NAME_ABOVE, "Recovered gap", fontweight="bold", **beside)
    reported = int(rows["paper"].sum())
    if 0 < reported < len(rows):
        axes.axhline(reported - 0.3, color="0.7", linewidth=0.6, linestyle=":")
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.4, len(rows) - 0.3), yticks=[])
    axes.set_xlabel("Mean test accuracy")
    axes.xaxis.grid(True)
    legend_of(figure, [axes], ncols=3)
    note = (
        f"{episodes(table)} Whiskers: 95 % bootstrap intervals over tasks, of ICL − task vector, "
        "paired."
    )
    caption = (
        f"{_about_models(rows, table)}\nWhiskers at the task vector: ICL minus the 95 % bootstrap "
        "interval over tasks of the paired difference ICL − task vector; ICL leads where its point "
        f"lies outside.{PALER if reported else ''} Recovered gap: (task vector − "
        "baseline) / (ICL − baseline), of the means over tasks, with its interval."
    )
    return Plot(figure, _recovered(rows), caption, note)


def _recovered(rows: pd.DataFrame) -> str:
    """The finding of Figure 4: the share of the demonstrations' gain that is recovered."""
    helped = rows[(rows["icl"] > rows["baseline"]) & rows["recovered_gap"].notna()]
    ours, theirs = helped[~helped["paper"]], helped[helped["paper"]]
    if ours.empty:
        return "On average over tasks, demonstrations add nothing that a vector could recover"
    models = f" in {len(ours)} models" if len(ours) > 1 else ""
    share = ends(ours["recovered_gap"]) if models else interval(ours.iloc[0], "recovered_gap")
    finding = f"The task vector recovers {share} of what demonstrations add{models}"
    paper = f", and {ends(theirs['recovered_gap'])} in the paper's" if len(theirs) else ""
    return of_models(finding + paper, len(ours))


def billions(parameters: float) -> str:
    """`135M`, `6.7B`: a number of parameters in a few characters."""
    return f"{parameters / 1e6:.0f}M" if parameters < 1e9 else f"{parameters / 1e9:.3g}B"


def _about_models(models: pd.DataFrame, table: pd.DataFrame) -> str:
    lines = []
    for _, mean in models[~models["paper"]].iloc[::-1].iterrows():
        rows = table[table["model"] == mean["model"]]
        tasks = counted(len(rows), "task")
        line = f"{display_name(mean['model'])}: mean over {tasks}. {episodes(rows)}"
        line += f" ICL gains at least {MIN_ICL_GAIN:.2f} over the baseline on {mean['icl_gains']}."
        unclear = ", ".join(map(task_title, rows["task"][~rows["layer_identified"]]))
        lines.append(f"{line} {NOT_IDENTIFIED.capitalize()}: {unclear}." if unclear else line)
    return "\n".join(lines)


def episodes(rows: pd.DataFrame) -> str:
    """The number of episodes behind the accuracy of a task, as a sentence."""
    return f"n = {sizes(rows['n'])} test episodes per task."
