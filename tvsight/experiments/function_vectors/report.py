"""Tables and figures of function vectors."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.function_vectors import (
    BESIDE,
    EFFECTS,
    NAME,
    Options,
    figures,
    head_numbers,
    numbers,
)
from tvsight.experiments.function_vectors.request import collect
from tvsight.experiments.main_results import NAME as CENTRAL
from tvsight.experiments.main_results import method_report
from tvsight.output.drawn import Drawn
from tvsight.output.labels import (
    MISSING,
    NOT_IDENTIFIED,
    display_name,
    interval,
    number,
    small,
    task_title,
)
from tvsight.output.procedures import PROCEDURES, title
from tvsight.output.tables import Wording

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

NAMES = ["Model", "Category", "Task", "Other task", "Vector"]
"""Columns with words from elsewhere."""
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
MEAN_TABLE = Wording(
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
)
HEAD_TABLE = Wording(
    "Heads of the largest mean effect",
    "A row is a head, of the ten of largest mean effect over tasks in its model. Effect: the "
    "change of the answer's probability. [ ]: 95 % bootstrap interval over tasks. In vectors: the "
    "number of tasks whose function vector has it. The CSV file has every head; that of effects "
    "has every head of every task.",
)
EFFECT_TABLE = Wording(
    "Heads of the largest effect on each task",
    f"A row is a task with its {LARGEST} heads of largest mean effect, named block.head. Effect: "
    "the change of the answer's probability. [ ]: 95 % interval over prompts (normal "
    "approximation). The CSV file has every head.",
)
OVERLAP_TABLE = Wording(
    "Heads that the function vectors of two tasks share",
    "A row is a pair of tasks. By chance: what two random sets of as many heads share on average. "
    "p: that random sets share as many (hypergeometric), with Holm's correction for the pairs of "
    "the model.",
)
SHUFFLED = (
    "In few-shot prompts with shuffled labels: the baseline is such a prompt without a vector, ICL "
    "has the right labels, and vectors are learnt from those."
)


def draw(outcome: "Outcome", options: Options, display: "Display", drawn: Drawn) -> None:
    """Write tables and figures, and show the tables."""
    of_heads, applied = outcome.only(EFFECTS), outcome.only(NAME)
    if not applied.results:
        display.note("No function vector was measured: nothing to draw.")
        return
    central = outcome.only(CENTRAL).table
    effects = head_numbers.effects(of_heads.table)
    heads = head_numbers.universal(effects, options.heads)
    pairs = head_numbers.overlap(effects, options.heads)
    rows = applied.table
    table = numbers.by_task(central, rows, options.heads)
    means, counts, curve = numbers.over_tasks(table), numbers.counts(table), numbers.curve(rows)
    mean_cells, count_cells = _mean_cells(means), _count_cells(counts)
    display.table(mean_cells, MEAN_TABLE.title)
    display.table(count_cells, "Numbers of tasks, with Holm's correction for that many tests")
    head_cells = _head_cells(heads)
    display.table(head_cells, HEAD_TABLE.title)

    cells = [mean_cells, count_cells, *_task_cells(table), *applied.note_cells]
    drawn.table(table, cells, names=NAMES, wording=MEAN_TABLE)
    drawn.numbers(means, "means")
    drawn.table(heads, [head_cells], "heads", names=NAMES, wording=HEAD_TABLE)
    effect_cells = [_effect_cells(effects)]
    drawn.table(effects, effect_cells, "effects", names=NAMES, wording=EFFECT_TABLE)
    drawn.numbers(curve, "curve")
    cosines = numbers.cosines(rows)
    drawn.numbers(cosines, "cosines")
    measured = table[numbers.KEYS]
    of_methods = [central.merge(measured), numbers.zero_shot(rows)]
    method_rows = pd.concat(of_methods, ignore_index=True)[list(central)]
    method_report.draw(method_rows, display, drawn)
    shuffled = numbers.shuffled(central, rows)
    method_report.draw(shuffled, display, drawn.of("shuffled", SHUFFLED), "with shuffled labels")
    drawn.figure(figures.by_heads(curve, means, options.heads))
    drawn.figure(figures.similarity(cosines), "cosines")
    for model in effects["model"].unique():
        drawn.figure(figures.head_map(heads, effects, model, options.heads), "heads", model)
    if pairs.empty:
        display.note("Only one task: there is no other task's vector, and no heads are shared.")
    else:
        pair_cells = [_pair_cells(pairs, options.heads)]
        drawn.table(pairs, pair_cells, "overlap", names=NAMES, wording=OVERLAP_TABLE)
        for model in pairs["model"].unique():
            drawn.figure(figures.shared_heads(pairs, model, options.heads), "overlap", model)


def _mean_cells(means: pd.DataFrame) -> pd.DataFrame:
    """The means as texts.

    Args:
        means: from `numbers.over_tasks`.
    """
    return pd.DataFrame(
        {
            "Model": display_name(mean["model"]),
            "Vector": TITLES[mean["procedure"]],
            "Accuracy": interval(mean, "accuracy"),
            "Where ICL is right": interval(mean, "given_icl"),
            "Recovered gap": _gap(mean),
            "Below the function vector": interval(mean, "below"),
        }
        for _, mean in means.iterrows()
    )


def _gap(mean: pd.Series) -> str:
    if mean["procedure"] in ("baseline", "icl"):
        return MISSING
    return interval(mean, "recovered_gap")


def _count_cells(counts: pd.DataFrame) -> pd.DataFrame:
    """The numbers of tasks as texts.

    Args:
        counts: from `numbers.counts`.
    """
    return pd.DataFrame(
        {"Model": display_name(row["model"])}
        | {
            heading: f"{row[name]} of {row['tasks']}"
            for name, heading in COUNTED.items()
            if name in row
        }
        for _, row in counts.iterrows()
    )


def _task_cells(table: pd.DataFrame) -> list[pd.DataFrame]:
    """The tasks as texts, zero-shot and with shuffled labels.

    Args:
        table: from `numbers.by_task`.
    """
    zero_shot = ("baseline", "icl", "task_vector", "function_vector", "third", "random_heads")
    shuffled = ("baseline", *BESIDE, "function_vector", "third")
    found: tuple[list[dict[str, str]], list[dict[str, str]]] = ([], [])
    for _, task in table.iterrows():
        named = {"Model": display_name(task["model"]), "Category": task["category"]}
        named |= {"Task": task_title(task["task"])}
        known = NOT_IDENTIFIED if not task["layer_identified"] else ""
        accuracies = {TITLES[name]: interval(task, name) for name in zero_shot}
        found[0].append({**named, **accuracies, "Block": str(task["layer"]), "Note": known})
        accuracies = {TITLES[f"shuffled_{n}"]: interval(task, f"shuffled_{n}") for n in shuffled}
        block = str(task["shuffled_function_vector_layer"])
        found[1].append({**named, **accuracies, "Block of the function vector": block})
    return [pd.DataFrame(rows) for rows in found]


def _head_cells(heads: pd.DataFrame) -> pd.DataFrame:
    """The heads of largest effect as texts.

    Args:
        heads: from `head_numbers.universal`.
    """
    largest = heads.groupby("model", sort=False, observed=True).head(SHOWN)
    return pd.DataFrame(
        {
            "Model": display_name(head["model"]),
            "Block": str(head["layer"]),
            "Head": str(head["head"]),
            "Effect": _effect(head),
            "In vectors": f"{head['in_top']} of {head['tasks']} tasks",
        }
        for _, head in largest.iterrows()
    )


def _effect(head: pd.Series) -> str:
    value, low, high = (head[f"effect{end}"] for end in ("", "_low", "_high"))
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _effect_cells(effects: pd.DataFrame) -> pd.DataFrame:
    """The heads of largest effect on each task, as texts.

    Args:
        effects: from `head_numbers.effects`.
    """
    found = []
    for (model, task), of_task in effects.groupby(head_numbers.KEYS, sort=False, observed=True):
        row = {"Model": display_name(str(model)), "Task": task_title(str(task))}
        for _, head in of_task[of_task["rank"] <= LARGEST].sort_values("rank").iterrows():
            row[f"Head {head['rank']}"] = f"{head['layer']}.{head['head']}"
            row[f"Effect {head['rank']}"] = _effect(head)
        found.append(row)
    return pd.DataFrame(found)


def _pair_cells(pairs: pd.DataFrame, count: int) -> pd.DataFrame:
    """The heads that tasks share, as texts.

    Args:
        pairs: from `head_numbers.overlap`.
        count: heads in a function vector.
    """
    return pd.DataFrame(
        {
            "Model": display_name(pair["model"]),
            "Task": task_title(pair["task"]),
            "Other task": task_title(pair["other"]),
            "Shared": f"{pair['shared']} of {count}",
            "By chance": number(pair["expected"]),
            "p (Holm)": small(pair["p_holm"]),
        }
        for _, pair in pairs.iterrows()
    )
