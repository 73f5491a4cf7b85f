"""Claims of the README and of docs/findings.md about heads and function vectors."""

import pandas as pd

from tests.helpers.reference_tables import GEMMA, row, table
from tvsight.output.labels import interval, number
from tvsight.statistics.tests import SIGNIFICANCE


def vector(procedure: str, column: str = "accuracy") -> str:
    return interval(row("function_vectors_means", model=GEMMA, procedure=procedure), column)


def ahead(procedure: str) -> str:
    """By how much another vector is more accurate than the function vector."""
    found = row("function_vectors_means", model=GEMMA, procedure=procedure)
    ends = {"x": -found["below"], "x_low": -found["below_high"], "x_high": -found["below_low"]}
    return interval(pd.Series(ends), "x")


def beaten(column: str) -> str:
    rows = table("function_vectors")
    kept = rows[rows["model"] == GEMMA]
    return f"{int((kept[column] < SIGNIFICANCE).sum())} of {len(kept)} tasks"


def without(kind: str) -> str:
    """ICL without a fifth of the heads."""
    return interval(row("heads_means", model=GEMMA, kind=kind, share=0.2), "accuracy")


def claims_of_heads() -> dict[str, str]:
    """Every claim, by a short name."""
    heads = table("function_vectors_heads")
    first, second = (head for _, head in heads[heads["model"] == GEMMA].head(2).iterrows())
    pairs = table("function_vectors_overlap")
    pairs = pairs[pairs["model"] == GEMMA]
    more = int((pairs["p_holm"] < SIGNIFICANCE).sum())
    curve = table("function_vectors_curve")
    curve = curve[curve["model"] == GEMMA].set_index("heads")["accuracy"]
    agreement = row("heads_agreement", model=GEMMA)
    cosines = table("function_vectors_cosines")
    cosines = cosines[cosines["model"] == GEMMA]
    return {
        "function vector": (
            f"it recovers {vector('function_vector', 'recovered_gap')} of what demonstrations add, "
            f"where the task vector recovers {vector('task_vector', 'recovered_gap')}, and the "
            f"mean state, added, {vector('mean_state', 'recovered_gap')}"
        ),
        "function vector below": (
            f"in accuracy the task vector is ahead by {ahead('task_vector')}"
        ),
        "counted": (
            f"The function vector beats the baseline on {beaten('over_baseline_p_holm')}, as many "
            f"random heads on {beaten('over_random_heads_p_holm')}, another task's function vector "
            f"on {beaten('over_other_p_holm')}; the task vector beats it on "
            f"{beaten('behind_task_vector_p_holm')}"
        ),
        "controls of heads": (
            f"As many random heads answer {vector('random_heads')}, the bottom heads "
            f"{vector('bottom_heads')}, another task's function vector "
            f"{vector('other_function_vector')}, a random direction of the same length "
            f"{vector('random_addition')}, and the sum before Gemma's norm {vector('raw_vector')}"
        ),
        "shuffled context": (
            f"from {vector('shuffled_baseline')} to {vector('shuffled_function_vector')}"
        ),
        "others in the shuffled context": (
            f"the mean state, added, reaches {vector('shuffled_mean_state')} and the task vector, "
            f"written over, {vector('shuffled_task_vector')}"
        ),
        "third": (
            f"after a third of the depth, where its authors add it, {vector('third')} instead of "
            f"{vector('function_vector')}"
        ),
        "head": (
            f"One head, {first['head']} of block {first['layer']}, has a mean effect of "
            f"{interval(first, 'effect')} and is in the vectors of all {first['tasks']} tasks, the "
            f"next, {second['head']} of block {second['layer']}, {interval(second, 'effect')}"
        ),
        "overlap": (
            f"Two tasks share {number(pairs['shared'].mean())} of 10 heads on average, where "
            f"chance is {number(pairs['expected'].iloc[0])}; {more} of {len(pairs)} pairs share "
            "more than chance"
        ),
        "curve": (
            f"With 1 head the vector answers {number(curve[1])}, with 10 {number(curve[10])}, with "
            f"40 {number(curve[40])}"
        ),
        "ablation": (
            f"Without the 14 heads of largest FV score ICL still answers {without('fv')}, without "
            f"as many random heads {without('random')}, and without as many induction heads "
            f"{without('induction')}"
        ),
        "exclusion": (
            f"induction heads that are no top FV heads cost most ({without('induction_excluding')} "
            f"is left), FV heads that are no top induction heads least "
            f"({without('fv_excluding')})"
        ),
        "agreement": (
            f"of {agreement['top']} heads of largest FV score and as many of largest induction "
            f"score {agreement['shared']} are the same, where chance is "
            f"{number(agreement['expected'])}"
        ),
        "cosine": (
            "without their means over tasks their cosine is at most "
            f"{number(cosines['cosine_centred'].max())}, with them up to "
            f"{number(cosines['cosine'].max())}"
        ),
    }
