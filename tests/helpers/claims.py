"""Claims of the README and of docs/findings.md, made from the tables of the reference results."""

import pandas as pd

from tests.helpers.reference_tables import GEMMA, QWEN, SMOL, row, table
from tvsight.experiments.controls.distance_numbers import ALL
from tvsight.output.labels import interval, number, small
from tvsight.protocol.layers import over_tasks, paper_by_layer, peaks
from tvsight.protocol.vector_sets import AS_THEY_ARE, CENTRED
from tvsight.statistics.tests import SIGNIFICANCE

OURS = {GEMMA: "Gemma", SMOL: "SmolLM2", QWEN: "Qwen"}


def mean(model: str, column: str, resampled: str = "tasks") -> str:
    return interval(row("main_results_means", model=model, resampled=resampled), column)


def control(model: str, procedure: str) -> str:
    return interval(row("controls_means", model=model, procedure=procedure), "accuracy")


def task(name: str, column: str, model: str = GEMMA) -> str:
    return number(row("main_results", model=model, task=name)[column])


def seeds(model: str) -> str:
    found = row("main_results_seeds", model=model, quantity="recovered_gap")
    return ", ".join(number(found[f"seed_{seed}"]) for seed in range(3))


def recognised(procedure: str, column: str) -> str:
    rows = table("controls_recognition")
    kept = rows[(rows["model"] == GEMMA) & (rows["procedure"] == procedure)]
    if column == "accuracy_in_set":
        return number(kept["accuracy"].mean() / kept["in_set"].mean())
    return number(kept[column].mean())


def transferred(asked: str, source: str) -> str:
    return number(row("controls_transfer", model=GEMMA, task=asked, source=source)["accuracy"])


def unbeaten(model: str) -> int:
    """Tasks whose own mean vector is not better than the best other one."""
    rows = table("controls_transfer")
    best = rows[(rows["model"] == model) & rows["best_on_dev"]]
    return int((best["better"] >= SIGNIFICANCE).sum())


def peak(model: str) -> tuple[int, str]:
    """The block with the highest mean dev accuracy, and that accuracy."""
    rows = table("layer_sweep")
    means = rows[rows["model"] == model].groupby("layer")["accuracy"].mean()
    return int(means.idxmax()), number(means.max())


def depths() -> str:
    """Where the means peak, relative to depth: ours, and the paper's."""
    rows = table("layer_sweep").rename(columns={"accuracy": "mean"})
    means = rows.groupby(["model", "relative_depth"])["mean"].mean()
    ours = [float(means[model].idxmax()) for model in OURS]
    theirs = peaks(over_tasks(paper_by_layer()))["relative_depth"]
    low, high, first, last = (
        number(end) for end in (min(ours), max(ours), theirs.min(), theirs.max())
    )
    return f"{low} to {high} of the depth, where the paper's models peak at {first} to {last}"


def related(model: str) -> tuple[str, str]:
    """The rank correlation of distance and transfer, and its p-value."""
    found = row("controls_distances", model=model, ranked=ALL)
    return interval(found, "correlation"), f"p = {small(found['correlation_p'])}"


def cluster(grouping: str, column: str = "accuracy") -> str:
    found = row(
        "vector_clusters", model=GEMMA, grouping=grouping, measure="euclidean", vectors=AS_THEY_ARE
    )
    return interval(found, column) if column == "accuracy" else number(found[column])


def apart(vectors: str) -> str:
    found = row("vector_variability", model=GEMMA, task="mean of tasks", vectors=vectors)
    return interval(found, "superiority")


def shown(count: int, column: str) -> str:
    rows = table("shots")
    return number(rows[(rows["model"] == GEMMA) & (rows["shots"] == count)][column].mean())


def template(source: str, under: str, column: str = "accuracy") -> str:
    found = row("templates", model=GEMMA, extracted_under=source, applied_under=under)
    return interval(found, column)


def foreign_dummies() -> str:
    found = row("templates_dummy_queries", model=GEMMA, dummy_choice="foreign")
    return interval(found.copy(), "difference")


def overridden(model: str) -> str:
    rows = table("conflicting_tasks")
    kept = rows[(rows["model"] == model) & (rows["layer_rule"] == "zero_shot")]
    overrides = kept["overrides_p_holm"] < SIGNIFICANCE
    return f"{int(overrides.sum())} of {len(kept)} pairs"


def wrong(procedure: str) -> pd.Series:
    rows = table("failures")
    return rows[(rows["model"] == GEMMA) & (rows["procedure"] == procedure)].sum(numeric_only=True)


def claims() -> dict[str, str]:
    """Every claim, by a short name."""
    counts = {model: row("main_results_means", model=model, resampled="tasks") for model in OURS}
    blocks = {model: peak(model) for model in OURS}
    clusters = table("vector_clusters_by_task")
    of_gemma = clusters[clusters["model"] == GEMMA].set_index("task")
    left_out = of_gemma["category_left_out_euclidean"]
    answers = table("token_projections_overview")
    above = answers[answers["layer"] == answers["two_above"]]
    errors = {procedure: wrong(procedure) for procedure in ("icl", "task_vector")}
    spanish = row("failures", model=GEMMA, task="en_es", procedure="task_vector")
    shuffled = {model: row("controls_shuffled", model=model) for model in (GEMMA, SMOL)}
    religion = row("controls", model=GEMMA, task="location_religion")
    geometry = {model: related(model) for model in (GEMMA, SMOL)}
    lower = row("controls_transfer", model=GEMMA, task="to_lower", source="en_es")
    apart_from = table("vector_clusters_distances")
    near = apart_from[(apart_from["model"] == GEMMA) & (apart_from["task"] == "to_lower")]
    near = near.sort_values("distance")["other"].tolist()
    nearest = row("controls_transfer", model=GEMMA, task="to_lower", source=near[0])
    conflict = row("conflicting_tasks", model=GEMMA, task="en_es→en_fr", layer_rule="zero_shot")
    return {
        "gap": (
            f"{mean(GEMMA, 'recovered_gap')} of what demonstrations add on Gemma 3 270M, "
            f"{mean(SMOL, 'recovered_gap')} on SmolLM2 135M and {mean(QWEN, 'recovered_gap')} on "
            f"Qwen2.5 Coder 1.5B; {mean('All seven', 'recovered_gap')} in the paper's seven "
            "models, by the paper's own numbers"
        ),
        "accuracies": (
            f"zero-shot {mean(GEMMA, 'baseline')}, ICL {mean(GEMMA, 'icl')}, task vector "
            f"{mean(GEMMA, 'task_vector')}"
        ),
        "seeds": f"with seeds 0, 1 and 2 it is {seeds(GEMMA)} on Gemma and {seeds(SMOL)} on "
        "SmolLM2",
        "lead": (
            f"ICL stays ahead by {mean(GEMMA, 'icl_minus_task_vector')} on Gemma, "
            f"{mean(SMOL, 'icl_minus_task_vector')} on SmolLM2 and "
            f"{mean(QWEN, 'icl_minus_task_vector')} on Qwen; with tasks of one word list resampled "
            f"together, by {mean(GEMMA, 'icl_minus_task_vector', 'word lists')} on Gemma"
        ),
        "counts": "beats the baseline on "
        + ", ".join(
            f"{int(counts[model]['task_vector_minus_baseline_tasks'])} of 18 tasks ({name})"
            for model, name in OURS.items()
        ),
        "range": (
            f"`en_es` goes from {task('en_es', 'icl')} with ICL to {task('en_es', 'task_vector')} "
            f"with the vector, `next_letter` from {task('next_letter', 'icl')} to "
            f"{task('next_letter', 'task_vector')}"
        ),
        "chance": (
            f"on `location_religion` always saying *Christianity* is right for "
            f"{task('location_religion', 'chance')} of the test queries, the vector for "
            f"{number(religion['task_vector'])} and a vector from "
            f"shuffled labels for {number(religion['shuffled_labels'])}"
        ),
        "block": "mean dev accuracy peaks "
        + ", ".join(
            f"after block {blocks[model][0]} ({name}, {blocks[model][1]})"
            for model, name in OURS.items()
        ),
        "depths": depths(),
        "others": (
            f"another task's vector answers {control(GEMMA, 'any_other_task')} on Gemma and "
            f"{control(SMOL, 'any_other_task')} on SmolLM2, the mean of the other tasks "
            f"{control(GEMMA, 'other_tasks_mean')} and {control(SMOL, 'other_tasks_mean')}, the "
            "mean of all tasks plus a random direction as long as θ is far from it "
            f"{control(GEMMA, 'random_deviation')} and {control(SMOL, 'random_deviation')}"
        ),
        "best other": (
            f"the best other task, chosen on dev, has {control(GEMMA, 'best_other')} and "
            f"{control(SMOL, 'best_other')}, where the task's own mean vector has "
            f"{control(GEMMA, 'own_mean')} and {control(SMOL, 'own_mean')}; on {unbeaten(GEMMA)} "
            f"and {unbeaten(SMOL)} of 18 tasks the own one is not better"
        ),
        "shuffled": (
            f"the vector keeps {interval(shuffled[GEMMA], 'vector_share')} of its accuracy on "
            "Gemma "
            f"and {interval(shuffled[SMOL], 'vector_share')} on SmolLM2, and ICL itself keeps "
            f"{interval(shuffled[GEMMA], 'icl_share')} and {interval(shuffled[SMOL], 'icl_share')}"
        ),
        "recognition": (
            f"ICL predicts an answer of the task for {recognised('icl', 'in_set')} of the queries, "
            f"and {recognised('icl', 'accuracy_in_set')} of these are right; with shuffled labels "
            f"{recognised('icl_shuffled', 'in_set')} and "
            f"{recognised('icl_shuffled', 'accuracy_in_set')}; the vector "
            f"{recognised('task_vector', 'in_set')} and "
            f"{recognised('task_vector', 'accuracy_in_set')}, from shuffled labels "
            f"{recognised('shuffled_labels', 'in_set')} and "
            f"{recognised('shuffled_labels', 'accuracy_in_set')}"
        ),
        "clusters": (
            f"The nearest centroid names the task of {cluster('task')} of the vectors (chance "
            f"{cluster('task', 'chance')}), and the category of a task that it never saw for "
            f"{cluster('category, own task left out')} (chance "
            f"{cluster('category, own task left out', 'chance')})"
        ),
        "left out": (
            f"`plural_singular` ({number(left_out['plural_singular'])}), `antonyms` "
            f"({number(left_out['antonyms'])}) and `country_capital` "
            f"({number(left_out['country_capital'])})"
        ),
        "twins": (
            f"`fr_en` with the vector of `es_en` answers {transferred('fr_en', 'es_en')} (its own: "
            f"{transferred('fr_en', 'fr_en')}), but `en_fr` with that of `en_es` "
            f"{transferred('en_fr', 'en_es')} (own: {transferred('en_fr', 'en_fr')}); "
            "`next_letter` "
            f"with that of `prev_letter` {transferred('next_letter', 'prev_letter')} (own: "
            f"{transferred('next_letter', 'next_letter')}), but `prev_letter` with that of "
            f"`next_letter` {transferred('prev_letter', 'next_letter')} (own: "
            f"{transferred('prev_letter', 'prev_letter')})"
        ),
        "transfer": (
            f"over {row('controls_distances', model=GEMMA, ranked=ALL)['pairs']} ordered pairs of "
            "tasks, the rank "
            "correlation of distance and accuracy with the other task's vector is "
            f"{geometry[GEMMA][0]} on Gemma ({geometry[GEMMA][1]}) and {geometry[SMOL][0]} on "
            f"SmolLM2 ({geometry[SMOL][1]}, both by permuting tasks); yet on Gemma `to_lower` "
            f"answers {number(lower['accuracy'])} with the vector of its "
            f"{near.index('en_es') + 1}th nearest task, `en_es`, and "
            f"{number(nearest['accuracy'])} with that of the nearest one"
        ),
        "distances": (
            f"with probability {apart(AS_THEY_ARE)}, and {apart(CENTRED)} once the mean over tasks "
            "is subtracted"
        ),
        "conflict": (
            f"in {overridden(GEMMA)} on Gemma and {overridden(SMOL)} on SmolLM2, after Holm's "
            "correction for as many tests; `en_es` does not "
            f"give way to `en_fr` on Gemma ({number(conflict['icl_demonstrations'])} of its "
            f"answers before, {number(conflict['task_vector_demonstrations'])} after)"
        ),
        "tokens": (
            "Two blocks above the chosen one, an answer is among the ten most probable tokens for "
            f"{int((above['answers'] > 0).sum())} of {len(above)} tasks"
        ),
        "shots": (
            f"from 1 to 16 demonstrations the vector goes from {shown(1, 'task_vector')} to "
            f"{shown(16, 'task_vector')} and ICL from {shown(1, 'icl')} to {shown(16, 'icl')}; "
            f"with five they have {shown(5, 'task_vector')} and {shown(5, 'icl')}"
        ),
        "templates": (
            f"A vector from `example` prompts answers {template('example', 'example')} under "
            f"`example`, {template('example', 'arrow')} under `arrow` and "
            f"{template('example', 'question')} under `question`; one from `question` prompts "
            f"{template('question', 'example')}, {template('question', 'arrow')} and "
            f"{template('question', 'question')}"
        ),
        "dummies": f"changes accuracy by {foreign_dummies()}",
        "failures": (
            f"{int(errors['task_vector']['query'])} of its {int(errors['task_vector']['wrong'])} "
            "wrong answers repeat the query, while "
            f"{int(errors['icl']['in_set'])} of ICL's {int(errors['icl']['wrong'])} are the task's "
            f"answer to another query; on `en_es`, {spanish['other']} of {spanish['wrong']} are "
            "neither"
        ),
    }
