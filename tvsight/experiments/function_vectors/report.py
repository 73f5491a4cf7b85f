"""Tables and figures of function vectors."""

from collections.abc import Iterable

import pandas as pd

from tvsight.experiments.function_vectors import BESIDE, NAME, SETTINGS, Options, figures, numbers
from tvsight.experiments.function_vectors.request import collect
from tvsight.experiments.main_results import NAME as CENTRAL
from tvsight.experiments.main_results import method_report
from tvsight.output import columns as c
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.output.labels import task_title
from tvsight.output.page import Page, Table
from tvsight.output.procedures import PROCEDURES, title
from tvsight.protocol import head_numbers
from tvsight.protocol.options import EFFECTS
from tvsight.run.outcome import Outcome
from tvsight.statistics import summaries
from tvsight.statistics.summaries import ENDS, by_group

__all__ = ["collect", "draw"]

TITLES = {
    **{name: PROCEDURES[name].title for name in numbers.COMPARED if name in PROCEDURES},
    "third": "Function vector after L/3",
    "shuffled_baseline": "ICL, shuffled labels",
    **{f"shuffled_{name}": f"{title(name)}, shuffled labels" for name in BESIDE},
    "shuffled_function_vector": "Function vector, shuffled labels",
    "shuffled_third": "Function vector after L/3, shuffled labels",
}
COUNTED = {
    "identified": "Layer identified",
    "over_baseline": "Beats baseline",
    "over_random_heads": "Beats random heads",
    "over_other": "Beats another task's",
    "over_shuffled": "Beats shuffled ICL",
    "behind_task_vector": "Task vector beats it",
    "behind_shuffled_task_vector": "Task vector beats it, shuffled labels",
}
SHOWN = 10
"""Heads in the table of heads."""
LARGEST = 3
"""Heads of each task in the table of effects."""
MEAN_TABLE = Table(
    "Function vectors, their controls and other vectors",
    "A row is a mean over tasks. [ ]: 95 % bootstrap interval over tasks. Recovered gap: "
    "(accuracy − baseline) / (ICL − baseline), zero-shot. Where ICL is right: on those episodes "
    "alone, as Todd et al. (2024) report it. Below the function vector: in the same "
    f"context, tasks paired. {figures.SETTINGS} Heads are chosen on dev "
    "prompts. Each vector has the block that is "
    "best for it on dev in its context, controls that of the function vector, and the raw sum one "
    "of its own; L/3: the block that Todd et al. (2024) take. Bottom heads: those of the most "
    "negative effect. The second table counts tasks (Holm's correction); the third has the tasks "
    "in zero-shot prompts, the fourth in few-shot prompts with shuffled labels.",
    (
        *(c.MODEL, c.named("Vector", "procedure", TITLES.__getitem__, words=True)),
        *(c.estimate("Accuracy", "accuracy"), c.estimate("Where ICL is right", "given_icl")),
        c.estimate("Recovered gap", "recovered_gap", but=("baseline", "icl")),
        c.estimate("Below the function vector", "below"),
    ),
    brief=("Vector", "Accuracy", "Where ICL is right", "Recovered gap"),
)


def _of_tasks(names: Iterable[str], *further: c.Column) -> Table:
    accuracies = (c.estimate(TITLES[name], name) for name in names)
    return Table("", "", (c.MODEL, c.CATEGORY, c.TASK, *accuracies, *further), shown=False)


ZERO_SHOT_TABLE = _of_tasks(
    (*numbers.COMPARED[:3], numbers.FUNCTION_VECTOR, "third", "random_heads"), c.BLOCK, c.IDENTIFIED
)
"""The tasks in zero-shot prompts."""
SHUFFLED_TABLE = _of_tasks(
    (f"shuffled_{name}" for name in ("baseline", *BESIDE, numbers.FUNCTION_VECTOR, "third")),
    c.plain("Block of the function vector", "shuffled_function_vector_layer"),
)
"""In few-shot prompts with shuffled labels."""
HEAD_TABLE = Table(
    "Heads of the largest mean effect",
    "A row is a head, of the ten of largest mean effect over tasks in its model. Effect: the "
    "change of the answer's probability. [ ]: 95 % bootstrap interval over tasks. In vectors: the "
    "number of tasks whose function vector has it. The CSV file has every head; that of effects "
    "has every head of every task.",
    (
        *(c.MODEL, c.BLOCK, c.plain("Head", "head")),
        c.estimate("Effect", "effect", text=c.fine),
        c.of("In vectors", "in_top", unit=" tasks"),
    ),
    part="heads",
)
EFFECT_TABLE = Table(
    "Heads of the largest effect on each task",
    f"A row is a task with its {LARGEST} heads of largest mean effect, named block.head. Effect: "
    "the change of the answer's probability. [ ]: 95 % interval over prompts (normal "
    "approximation). The CSV file has every head.",
    (
        *(c.MODEL, c.TASK),
        *(
            column
            for rank in range(1, LARGEST + 1)
            for column in (
                c.plain(f"Head {rank}", f"head_{rank}"),
                c.estimate(f"Effect {rank}", f"effect_{rank}", text=c.fine),
            )
        ),
    ),
    part="effects",
    shown=False,
)
OVERLAP_TABLE = Table(
    "Heads that the function vectors of two tasks share",
    "A row is a pair of tasks. By chance: what two random sets of as many heads share on average. "
    "p: that random sets share as many (hypergeometric), with Holm's correction for the pairs of "
    "the model.",
    (
        *(c.MODEL, c.TASK, c.named("Other task", "other", task_title, words=True)),
        *(c.of("Shared", "shared", "heads"), c.number("By chance", "expected")),
        c.small("p (Holm)", "p_holm"),
    ),
    part="overlap",
    shown=False,
)
SETTING_TABLE = Table(
    "Vectors at equal freedom",
    "A row is a mean over tasks of one vector per task, from the dev episodes, in zero-shot "
    "prompts; each seed has other episodes and its own choice of heads. Fixed: ten heads and α = "
    "1, the block chosen on dev. Tuned: the number of heads, α and the block chosen on the same "
    "dev prompts; heads and α of the file are medians over tasks. Heads of other tasks are those "
    "of the largest mean effect on these. Over the mean task vector: with the same operation and "
    "setting; over the written one: where it is written over. The task vector of the last "
    "difference has a vector of each episode. [ ]: 95 % bootstrap interval over tasks, which are "
    "paired in each difference.",
    (
        *(
            c.MODEL,
            c.plain("Seed", "seed"),
            c.Column("Vector", lambda row: figures.APPLIED[row["procedure"], row["heads_of"]]),
        ),
        c.named("Operation", "operation", figures.OPERATIONS.__getitem__),
        *(c.plain("Setting", "setting"), c.estimate("Accuracy", "accuracy")),
        *(c.estimate("Recovered gap", "recovered_gap"), c.estimate("Over fixed", "gained")),
        c.estimate("Over the mean task vector", "over_own_mean"),
        c.estimate("Over the written one", "over_written"),
        c.estimate("Over heads of other tasks", "over_others"),
        c.estimate("Below ICL", "below_icl"),
        c.estimate("Below the task vector", "below_task_vector"),
        *(c.general("Heads", "heads"), c.general("α", "factor")),
    ),
    filed=("Recovered gap", "Over heads of other tasks", "Below the task vector", "Heads", "α"),
    part="settings",
)
SHUFFLED = (
    "In few-shot prompts with shuffled labels: the baseline is such a prompt without a vector, ICL "
    "has the right labels, and vectors are learnt from those."
)


def draw(outcome: Outcome, options: Options, display: Display, drawn: Drawn) -> None:
    """Write tables and figures, and show the tables."""
    page = Page(display, drawn)
    first = outcome.of_seed(options.seed[0])
    head_outcome, applied = first.only(EFFECTS), first.only(NAME)
    if not applied.results:
        display.note("No function vector was measured: nothing to draw.")
        return
    central = first.only(CENTRAL).table
    effects = head_numbers.effects(head_outcome.table)
    heads = head_numbers.universal(effects, options.heads)
    pairs = head_numbers.overlap(effects, options.heads)
    rows = applied.table
    table = numbers.by_task(central, rows, options.heads)
    means, curve, cosines = numbers.over_tasks(table), numbers.curve(rows), numbers.cosines(rows)
    counts = numbers.counts(table)
    counted = [c.of(heading, name) for name, heading in COUNTED.items() if name in counts]
    count_table = Table(
        "Numbers of tasks, with Holm's correction for that many tests", "", (c.MODEL, *counted)
    )
    below = [(count_table, counts), (ZERO_SHOT_TABLE, table), (SHUFFLED_TABLE, table)]
    page.table(MEAN_TABLE, table, means, below, applied.note_cells)
    page.numbers(means, "means")
    page.table(HEAD_TABLE, heads, heads.groupby("model", sort=False, observed=True).head(SHOWN))
    page.table(EFFECT_TABLE, effects, by_group(effects, head_numbers.KEYS, _largest))
    page.numbers(curve, "curve")
    page.numbers(cosines, "cosines")
    method_rows = [central.merge(table[numbers.KEYS]), numbers.zero_shot(rows)]
    method_report.draw(pd.concat(method_rows, ignore_index=True)[list(central)], page, waits=True)
    shuffled = Page(display, drawn.of("shuffled", SHUFFLED))
    method_report.draw(
        numbers.shuffled(central, rows), shuffled, "with shuffled labels", waits=True
    )
    by_seed = {seed: outcome.of_seed(seed) for seed in options.seed}
    seeds = {seed: of for seed, of in by_seed.items() if of.only(SETTINGS).results}
    if seeds:
        setting_means = summaries.each_seed(seeds, _settings)
        page.table(SETTING_TABLE, setting_means)
        page.figure(figures.settings(setting_means))
    page.figure(figures.similarity(cosines), "cosines")
    for model in effects["model"].unique():
        page.figure(figures.head_map(heads, effects, model, options.heads), "heads", model)
    if pairs.empty:
        page.note("Only one task: there is no other task's vector, and no heads are shared.")
        return
    page.table(OVERLAP_TABLE, pairs, pairs.assign(heads=options.heads))


def _settings(outcome: Outcome) -> pd.DataFrame:
    """Means over tasks of the vectors at equal freedom."""
    central, settings = outcome.only(CENTRAL).table, outcome.only(SETTINGS).table
    return numbers.settings_over_tasks(numbers.settings_by_task(central, settings))


def _largest(task_rows: pd.DataFrame) -> dict[str, object]:
    """The heads of the largest effect on a task, by their place."""
    row: dict[str, object] = {}
    for head in task_rows[task_rows["rank"] <= LARGEST].sort_values("rank").to_dict("records"):
        row[f"head_{head['rank']}"] = f"{head['layer']}.{head['head']}"
        row |= {f"effect_{head['rank']}{end}": head[f"effect{end}"] for end in ENDS}
    return row
