"""Claims of the README and of docs/findings.md about vectors that are added or written over."""

import pandas as pd

from tests.helpers.reference_tables import GEMMA, row
from tvsight.output.labels import interval, number


def ways(context: str, method: str = "task_vector") -> pd.Series:
    """A vector in a context: written over, and added with its best factor."""
    return row("steering_ranges", model=GEMMA, context=context, method=method)


def over(context: str, method: str = "task_vector") -> str:
    return interval(ways(context, method), "overwrite")


def best(context: str, method: str = "task_vector") -> str:
    found = ways(context, method)
    return f"{interval(found, 'best')} with α = {found['best_alpha']:g}"


def helping(context: str, method: str) -> str:
    found = ways(context, method)
    return f"α = {found['least_alpha']:g} to {found['most_alpha']:g}"


def control(procedure: str) -> str:
    """A control of the function vector, added with its best factor to zero-shot prompts."""
    alpha = ways("zero_shot", "function_vector")["best_alpha"]
    where = {"procedure": procedure, "method": "function_vector", "alpha": alpha}
    return interval(row("steering_means", model=GEMMA, context="zero_shot", **where), "accuracy")


def collapsed(alpha: float, column: str) -> str:
    where = {"method": "task_vector", "mode": "add", "alpha": alpha}
    return number(row("steering_collapse", model=GEMMA, **where)[column])


def whole(column: str) -> str:
    where = {"method": "averaged_vector", "mode": "overwrite"}
    return interval(row("steering_collapse", model=GEMMA, **where), column)


def divergence(procedure: str = "vector", **where: object) -> str:
    """From in-context learning, zero-shot."""
    found = row("steering_means", model=GEMMA, context="zero_shot", procedure=procedure, **where)
    return number(found["icl_divergence"])


def claims_of_steering() -> dict[str, str]:
    """Every claim, by a short name."""
    plain = row("steering_collapse", model=GEMMA, procedure="baseline")
    return {
        "written over": (
            f"Written over the last token, the task vector answers {over('zero_shot')} zero-shot, "
            f"{over('shuffled')} after demonstrations with permuted labels, {over('other_task')} "
            f"after another task's, {over('template')} under another template and "
            f"{over('natural')} in natural text"
        ),
        "added": (
            f"Added to zero-shot prompts with a factor α, it answers {best('zero_shot')} at best, "
            f"and the function vector {best('zero_shot', 'function_vector')}"
        ),
        "helping factors": f"Both help most with {helping('zero_shot', 'task_vector')}",
        "added elsewhere": (
            "The best added vector has, by context, "
            f"{best('shuffled', 'averaged_vector')} after permuted labels, "
            f"{best('other_task', 'averaged_vector')} after another task's demonstrations, "
            f"{best('template')} under another template, and {best('natural')} in natural text"
        ),
        "function vector in labels": (
            "After permuted labels the function vector, whose block is chosen zero-shot, gains "
            f"nothing that is significant ({best('shuffled', 'function_vector')})"
        ),
        "controls of adding": (
            f"a random direction answers {control('random_addition')}, the negated vector "
            f"{control('negated')}, another task's {control('any_other_task')}"
        ),
        "whole answers": (
            f"Written over once, the averaged vector makes {whole('exact_once')} of whole answers "
            f"right; written over every generated token, {whole('exact_every')}"
        ),
        "scores": (
            "Its KL divergence from ICL is "
            f"{divergence(method='averaged_vector', mode='overwrite')} nats, where the function "
            f"vector added with α = 1 has {divergence(method='function_vector', alpha=1)} and no "
            f"vector {divergence('baseline')}"
        ),
        "collapse": (
            f"at every generated token, the task vector with α = 2 makes "
            f"{collapsed(2, 'repeated_every')} of bigrams repeat, where "
            f"{number(plain['repeated_once'])} do without it"
        ),
        "neutral": (
            "moves the next token of neutral sentences by "
            f"{collapsed(0.5, 'divergence')} nats with α = 0.5, and by "
            f"{collapsed(2, 'divergence')} with α = 2"
        ),
    }
