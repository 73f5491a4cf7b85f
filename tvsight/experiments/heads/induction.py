"""Build the job of every attention head's induction score and turn its output into rows."""

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tvsight.config import one_seed
from tvsight.errors import UsageError
from tvsight.execution.jobs import Job, Steps
from tvsight.experiments.heads import CHOOSES, DEFINITIONS, INDUCTION, Repetition
from tvsight.experiments.heads.numbers import induction
from tvsight.models import ModelSource
from tvsight.protocol.rows import check_finite
from tvsight.run.outcome import Measured
from tvsight.run.planning import Plan, Request
from tvsight.storage.schemas import schema

if TYPE_CHECKING:
    from tvsight.models.loading import Model

TASK, CATEGORY = "random_tokens", "custom"
"""They stand in place of a task: the score belongs to the model alone."""
FEWEST = 2
"""Random tokens in a sequence for a model with a short window."""


def requests(plan: Plan, source: ModelSource) -> "list[InductionScores]":
    """One request: the scores of a model."""
    replayed = plan.config.episodes is not None
    known = {
        "experiment": INDUCTION,
        "model": source.name,
        "task": TASK,
        "seed": 0 if replayed else one_seed(plan.config),
        "definitions": {name: list(of) for name, of in DEFINITIONS.items()},
    }
    return [InductionScores(plan, known)]


@dataclass(frozen=True)
class InductionScores(Request):
    """The induction score of every head of a model, by both definitions."""

    def steps(self, model: "Model") -> Steps[Measured]:
        """Attention within repeated random tokens, in one job.

        Raises:
            MeasurementError: when a score is NaN or infinite.
            UsageError: when the heads of the model or their attention cannot be read, or its window
                is too short.
        """
        from tvsight.experiments.heads.measure import measure_induction

        model.decoder.attention.check()
        definitions = {name: fitted(model, of) for name, of in DEFINITIONS.items()}
        said = [
            {"prompts": sequences(model, of, f"{self.identity['seed']}/{name}")}
            for name, of in definitions.items()
        ]
        copies = [(of.tokens, of.copies) for of in definitions.values()]
        (scores,) = yield [Job(measure_induction, (*said, copies), prompts=len(said))]
        check_finite(all(score.isfinite().all() for score in scores), "an induction score")
        parts = [
            _rows(name, of, score.double().numpy())
            for (name, of), score in zip(definitions.items(), scores, strict=True)
        ]
        rows = pd.concat(parts, ignore_index=True).assign(
            model=model.name, task=TASK, category=CATEGORY, measured_on=model.device
        )
        columns = schema(INDUCTION).columns
        return Measured(rows[list(columns)].astype(columns))

    def line(self, rows: pd.DataFrame) -> str:
        """The heads of largest score."""
        top = induction(rows, CHOOSES).sort_values("score", ascending=False).head(3)
        named = [
            f"({head['layer']:.0f}, {head['head']:.0f}) {head['score']:.2f}"
            for _, head in top.iterrows()
        ]
        return f"largest induction scores {', '.join(named)}"


def fitted(model: "Model", of: Repetition) -> Repetition:
    """A definition with as many random tokens as the window of a model has room for.

    Raises:
        UsageError: when there is room for fewer than two.
    """
    window = model.decoder.window
    if window is None:
        return of
    room = (window - len(beginning(model.tokenizer))) // of.copies
    if room < FEWEST:
        raise UsageError(
            f"The context window of {model.name}, {window} tokens, is too short for random tokens "
            f"that are said {of.copies} times."
        )
    return of._replace(tokens=min(of.tokens, room))


def sequences(model: "Model", of: Repetition, draw: str) -> list[list[int]]:
    """Sequences of random tokens that are said several times, after what begins every prompt.

    Special and added tokens are left out. The tokens of a sequence are all different, unless the
    vocabulary has too few.

    Args:
        draw: what the tokens depend on.
    """
    tokenizer = model.tokenizer
    special = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    size = min(len(tokenizer), model.decoder.vocabulary)
    words = [token for token in range(size) if token not in special]
    begin = beginning(tokenizer)
    scores = []
    for number in range(of.sequences):
        chance = random.Random(f"{draw}/{number}")
        enough = len(words) >= of.tokens
        drawn = chance.sample(words, of.tokens) if enough else chance.choices(words, k=of.tokens)
        scores.append(begin + drawn * of.copies)
    return scores


def beginning(tokenizer: Any) -> list[int]:
    """The beginning-of-sequence token, where the tokenizer puts it before a prompt."""
    first = list(tokenizer("").input_ids[:1])
    return first if first == [tokenizer.bos_token_id] else []


def _rows(name: str, of: Repetition, scores: Any) -> pd.DataFrame:
    """A row per head.

    Args:
        scores: `[sequences, depth, heads]`.
    """
    layer, head = (axis.ravel() for axis in np.indices(scores.shape[1:]))
    return pd.DataFrame(
        {
            "definition": name,
            **of._asdict(),
            **{"layer": layer, "head": head},
            "score": scores.mean(axis=0).ravel(),
            "deviation": scores.std(axis=0, ddof=1).ravel(),
        }
    )
