"""Build the logit-lens job of a task's mean vector and turn its output into rows."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from tvsight.errors import UsageError
from tvsight.execution.jobs import Job, Steps
from tvsight.experiments.token_projections import NAME
from tvsight.experiments.token_projections.numbers import task_line
from tvsight.methods import TASK_VECTOR, MethodEntry
from tvsight.models import ModelSource
from tvsight.prompts import Template
from tvsight.prompts.filtering import answer_tokens, usable_pairs
from tvsight.protocol.central import NAME as CENTRAL
from tvsight.protocol.central import stored_vectors
from tvsight.protocol.methods import with_further_methods
from tvsight.protocol.rows import check_finite
from tvsight.run.outcome import Measured, Outcome
from tvsight.run.planning import Plan, Request, identity
from tvsight.storage.schemas import schema
from tvsight.storage.store import Store
from tvsight.storage.task_vectors import TaskVectors
from tvsight.tasks import Task
from tvsight.tasks.words import shown

if TYPE_CHECKING:
    from tvsight.config import RunConfig
    from tvsight.experiments.token_projections.measure import Projections
    from tvsight.models.loading import Model
    from tvsight.run.runner import Runner

TOP = 100
"""Tokens that are kept after each block: enough that 20 are left of words without repetitions."""
DRAWS = 8
"""Random vectors beside each mean vector."""
SEED = 0
"""Seed of the random vectors, together with the task's name."""


def collect(runner: "Runner", options: "RunConfig") -> Outcome:
    """The central comparison with its vectors, and the projections of each task that has one; the
    same for each further method."""

    def measured(method: MethodEntry) -> Outcome:
        known = stored_vectors(runner, options, method)
        vectors = TaskVectors(Store(options.results), known.paths)

        def experiment(plan: Plan, source: ModelSource) -> list[TokenProjections]:
            return requests(plan, source, vectors, method)

        outcome = runner.after(CENTRAL, options, NAME, experiment)
        if not outcome.results:
            return Outcome([], known.failures | outcome.failures)
        known.add(outcome)
        return known

    return with_further_methods(options, measured)


def requests(
    plan: Plan, source: ModelSource, vectors: TaskVectors, method: MethodEntry = TASK_VECTOR
) -> "list[TokenProjections]":
    """One request per task.

    Args:
        vectors: of the method; a task without them is left out.
    """
    wanted = []
    for task in plan.tasks:
        if (source.name, task.name) in vectors.paths:
            further = {"words": list(task.words), "top": TOP, "draws": DRAWS, "draw_seed": SEED}
            task_identity = identity(plan, NAME, source, task) | further | method.further_identity
            wanted.append(TokenProjections(plan, task_identity, task, vectors, method=method))
    return wanted


@dataclass(frozen=True)
class TokenProjections(Request):
    """The mean vector of one task through the unembedding."""

    task: Task
    vectors: TaskVectors
    """Of the method."""
    method: MethodEntry = field(default=TASK_VECTOR, kw_only=True)

    def steps(self, model: "Model") -> Steps[Measured]:
        """Read the task's mean vector and random ones, in one job.

        There are rows of three kinds. `top`: a token of the task vector. `answers`: the first
        tokens of all usual answers, their median rank and summed probability. `description`: a word
        of `task.words`, see `word_tokens`; the rank of its best token, summed probability.

        Raises:
            MeasurementError: when logits hold NaN or infinity.
            UsageError: when a word or an answer has no token of its own after a prompt.
        """
        from tvsight.experiments.token_projections.measure import project

        task, template, tokenizer = self.task, self.plan.template, model.tokenizer
        mean = self.vectors.mean(model.name, task.name)
        pairs, notes = self._pairs(model)
        prompt = template.query(pairs[0][0])
        answers = first_tokens(tokenizer, template, pairs, task.name)
        words = [word_tokens(tokenizer, prompt, word, task.name) for word in task.words]
        groups = [answers, *words]
        # A text is hashed the same on every machine.
        seed = random.Random(f"{SEED}/{task.name}/random vectors").getrandbits(63)
        (read,) = yield [Job(project, (mean, groups, TOP, DRAWS, seed))]
        check_finite(read["finite"], "a logit of a vector")
        vector = "task" if self.method == TASK_VECTOR else self.method.key
        rows = _top_rows(read, vector, model.vocabulary.texts, answers)
        rows += _group_rows(read, vector, groups, task.words)
        named = {"model": model.name, "task": task.name, "category": task.category}
        data = pd.DataFrame(rows).assign(**named, measured_on=model.device)
        columns = schema(NAME).columns
        return Measured(data[list(columns)].astype(columns), None, notes)

    def line(self, rows: pd.DataFrame) -> str:
        """Where the answers and each word come nearest to the top."""
        return task_line(rows)

    def _pairs(self, model: "Model") -> tuple[list[tuple[str, str]], dict[str, Any]]:
        """Inputs and usual answers as they stand in prompts, and notes for the manifest."""
        plan, task = self.plan, self.task
        if task.name in plan.replayed:
            episodes, notes = plan.episodes(task, model)
            return list({episode.query: episode.accepted[0] for episode in episodes}.items()), notes
        usable = usable_pairs(task, model.tokenizer, plan.template, model.name)
        kept = {"usable": len(usable.pairs), "of": usable.total, "spaced": usable.spaced}
        return [(pair.input, pair.answer) for pair in usable.pairs], {"pairs": kept}


def first_tokens(
    tokenizer: Any, template: Template, pairs: Sequence[tuple[str, str]], task: str
) -> list[int]:
    """The different first tokens of the answers of `pairs`, ascending.

    Raises:
        UsageError: when an answer has no token of its own after its prompt.
    """
    prompts = [template.query(given) for given, _ in pairs]
    tokens = answer_tokens(tokenizer, prompts, [answer for _, answer in pairs])
    for (_, answer), ids in zip(pairs, tokens, strict=True):
        if not ids:
            raise _without_token(task, answer)
    return sorted({ids[0] for ids in tokens})


def word_tokens(tokenizer: Any, prompt: str, word: str, task: str) -> list[int]:
    """The tokens that count as a word after a prompt, ascending.

    The word is spelt as it is, in small letters and with a capital, each with and without a space
    before it. Spellings of one token count; where there is none, the first token of each does.

    Raises:
        UsageError: when no spelling has a token of its own after the prompt.
    """
    spellings = dict.fromkeys((word, word.lower(), word[0].upper() + word[1:]))
    texts = [space + spelling for spelling in spellings for space in (" ", "")]
    spelled = [t for t in answer_tokens(tokenizer, [prompt] * len(texts), texts) if t]
    if not spelled:
        raise _without_token(task, word)
    single = [tokens for tokens in spelled if len(tokens) == 1]
    return sorted({tokens[0] for tokens in single or spelled})


def _top_rows(
    read: "Projections", vector: str, texts: Sequence[str], answers: Sequence[int]
) -> list[dict[str, Any]]:
    blocks = zip(read["top"].tolist(), read["top_probability"].tolist(), strict=True)
    return [
        {
            "vector": vector,
            "draw": 0,
            "layer": layer,
            "kind": "top",
            "rank": rank,
            "token": texts[token] if token < len(texts) else "",
            "token_id": token,
            "is_answer": token in answers,
            "probability": probability,
            "tokens": 1,
        }
        for layer, block_tops in enumerate(blocks)
        for rank, (token, probability) in enumerate(zip(*block_tops, strict=True), start=1)
    ]


def _group_rows(
    read: "Projections", own: str, groups: Sequence[Sequence[int]], words: Sequence[str]
) -> list[dict[str, Any]]:
    """Rows of the answers, the first group, and of each word."""
    median, best = read["median"].tolist(), read["best"].tolist()
    return [
        {
            "vector": "random" if vector else own,
            "draw": max(0, vector - 1),
            "layer": layer,
            "kind": "description" if group else "answers",
            "rank": (best if group else median)[vector][layer][group],
            "token": words[group - 1] if group else None,
            "probability": probability,
            "tokens": len(groups[group]),
        }
        for vector, vector_shares in enumerate(read["probability"].tolist())
        for layer, block_shares in enumerate(vector_shares)
        for group, probability in enumerate(block_shares)
    ]


def _without_token(task: str, text: str) -> UsageError:
    return UsageError(
        f"Task {task}: {shown(text)} has no token of its own after a query; this template does not "
        "suit this tokenizer."
    )
