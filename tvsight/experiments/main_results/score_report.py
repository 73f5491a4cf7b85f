"""Table and figures of scores beyond accuracy."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.main_results import score_figures, score_numbers, shown_score
from tvsight.experiments.main_results.score_numbers import SCORES
from tvsight.output.labels import MISSING, display_name, interval
from tvsight.output.procedures import title
from tvsight.output.tables import Wording

if TYPE_CHECKING:
    from tvsight.config import RunConfig
    from tvsight.output.console import Display
    from tvsight.output.drawn import Drawn

TABLE = Wording(
    "Scores beyond accuracy",
    "A row is a procedure, averaged over tasks, on test. Top 1, 2, 3: the share of episodes whose "
    "usual answer begins with a token of at most this rank among all tokens. Rank: the geometric "
    "mean. Gap: log-probability of the answer minus that of the next episode's wrong one, in nats. "
    "KL: KL(ICL ‖ procedure) over the answers of the episodes, in nats. Recovered: the share of "
    "the way from the baseline to ICL. [ ]: 95 % bootstrap interval over tasks. The CSV file has "
    "every task.",
)
COLUMNS = {
    **{f"Top {most}": f"top_{most}" for most in score_numbers.TOP},
    "Rank": "rank",
    "Gap": "answer_gap",
    "Gap recovered": "answer_gap_recovered",
    "KL": "icl_divergence",
    "KL recovered": "icl_divergence_recovered",
}
SHARES = ("Gap recovered", "KL recovered")
"""Columns that say nothing of the baseline and of ICL."""


def draw(rows: pd.DataFrame, options: "RunConfig", display: "Display", drawn: "Drawn") -> None:
    """Write and show the table of scores where rows have them, and the figures of `--score`."""
    rows = score_numbers.scored(rows)
    score = SCORES.get(name := shown_score(options))
    if rows.empty:
        if score is not None:
            display.note("No result has scores: nothing to draw.")
        return
    table = score_numbers.by_task(rows)
    means = score_numbers.over_tasks(table)
    cells = _cells(means)
    display.table(cells, TABLE.title, ["Top 2", "Top 3"])
    drawn.table(table, [cells], "scores", names=["Model"], wording=TABLE)
    drawn.numbers(means, "scores_means")
    if score is not None:
        for model in table["model"].unique():
            drawn.figure(score_figures.by_task(table, means, score, model), name, model)


def _cells(means: pd.DataFrame) -> pd.DataFrame:
    """The means as texts.

    Args:
        means: from `score_numbers.over_tasks`.
    """
    rows = []
    for _, mean in means.iterrows():
        unpatched = mean["procedure"] in ("baseline", "icl")
        of_scores = {
            heading: MISSING if unpatched and heading in SHARES else interval(mean, column)
            for heading, column in COLUMNS.items()
        }
        rows.append(
            {
                "Model": display_name(mean["model"]),
                "Procedure": title(mean["procedure"]),
                "Tasks": str(mean["tasks"]),
                **of_scores,
            }
        )
    return pd.DataFrame(rows)
