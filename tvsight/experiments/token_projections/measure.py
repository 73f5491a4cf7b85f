"""What a task vector says when it is read as if it were the last state (section 4.3 of the paper).

The mean vector of a task after each block goes through the final norm and the unembedding. So do
random vectors of the same length. The final norm is always applied: the authors' code leaves it
out for some families, and without it the logits mean nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor

from tvsight.errors import MeasurementError, UsageError
from tvsight.execution import Job, Steps
from tvsight.experiments.token_projections import NAME as TOKEN_PROJECTIONS
from tvsight.interventions.decoder import Decoder
from tvsight.prompts import Template
from tvsight.prompts.filtering import answer_tokens
from tvsight.storage.schemas import schema
from tvsight.tasks import Task

if TYPE_CHECKING:
    from tvsight.models.loading import Model

Progress = Callable[[str], None]
ROWS = 32
"""Vectors that are unembedded together; all logits of a vector are needed at once for ranks."""


def measure_projections(
    model: "Model",
    task: Task,
    mean: Tensor,
    pairs: Iterable[tuple[str, str]],
    template: Template,
    top: int,
    draws: int,
    seed: int,
) -> "Steps[pd.DataFrame]":
    """The steps that read one task's mean vector.

    Args:
        mean: the mean θ of the task after every block, `[depth, width]`.
        pairs: inputs and usual answers, as they stand in prompts.
        top: how many of the most probable tokens are kept.
        draws: how many random vectors are read beside each mean vector.
        seed: of the random vectors.

    Returns:
        Rows of three kinds. `top`: a token of the task vector. `answers`: the first tokens of all
        usual answers, their median rank and summed probability. `description`: a word of
        `task.words`, see `word_tokens`; the rank of its best token, summed probability.

    Raises:
        MeasurementError: when logits hold NaN or infinity.
        UsageError: when a word or an answer has no token of its own after a prompt.
    """
    pairs = list(pairs)
    answers = first_tokens(model.tokenizer, template, pairs, task.name)
    prompt = template.query(pairs[0][0])
    words = [word_tokens(model.tokenizer, prompt, word, task.name) for word in task.words]
    job = Job(project, (mean, [answers, *words], top, draws, seed))
    (read,) = yield [job]
    if not read["finite"]:
        raise MeasurementError("the logits of a vector hold NaN or infinity; try a wider --dtype.")
    rows = _top_rows(model, read["top"], read["top_probability"], set(answers))
    rows += _asked_rows(read, [len(tokens) for tokens in (answers, *words)], task.words)
    shared = {"model": model.name, "task": task.name, "category": task.category}
    columns = schema(TOKEN_PROJECTIONS).columns
    data = pd.DataFrame(rows).assign(**shared, measured_on=model.device)
    return data[list(columns)].astype(columns)


def first_tokens(
    tokenizer: Any, template: Template, pairs: Sequence[tuple[str, str]], task: str
) -> list[int]:
    """The different first tokens of the answers of `pairs`, ascending.

    Raises:
        UsageError: when an answer has no token of its own after its prompt.
    """
    prompts = [template.query(given) for given, _ in pairs]
    found = answer_tokens(tokenizer, prompts, [answer for _, answer in pairs])
    for (_, answer), tokens in zip(pairs, found, strict=True):
        if not tokens:
            raise _without_token(task, answer)
    return sorted({tokens[0] for tokens in found})


def word_tokens(tokenizer: Any, prompt: str, word: str, task: str) -> list[int]:
    """The tokens that stand for a word after a prompt, ascending.

    The word is spelt as it is, in small letters and with a capital, each with and without a space
    before it. Spellings of one token stand for it; where there is none, the first token of each.

    Raises:
        UsageError: when no spelling has a token of its own after the prompt.
    """
    spellings = dict.fromkeys((word, word.lower(), word[0].upper() + word[1:]))
    texts = [space + spelling for spelling in spellings for space in (" ", "")]
    found = [t for t in answer_tokens(tokenizer, [prompt] * len(texts), texts) if t]
    if not found:
        raise _without_token(task, word)
    single = [tokens for tokens in found if len(tokens) == 1]
    return sorted({tokens[0] for tokens in single or found})


def project(
    decoder: Decoder,
    mean: Tensor,
    asked: list[list[int]],
    top: int,
    draws: int,
    seed: int,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Read the mean vector and random ones after every block through final norm and unembedding.

    Args:
        mean: `[depth, width]`.
        asked: groups of tokens that are looked for.

    Returns:
        `top` and `top_probability`, `[depth, top]`, of the mean vector; `median` and `best` rank
        and summed `probability` of each group, `[1 + draws, depth, groups]`, the mean vector
        first; `finite`, whether all logits are numbers. The most probable token has rank 1.
    """
    if progress is not None:
        progress("unembedding")
    mean = mean.float().cpu()
    vectors = torch.cat([mean[None], random_vectors(mean, draws, seed)])
    flat = vectors.flatten(0, 1).to(decoder.device, decoder.dtype)
    wanted = sorted({token for tokens in asked for token in tokens})
    depth, kept = len(mean), min(top, decoder.vocabulary)
    tops, ranks, probabilities, finite = [], [], [], True
    for number, states in enumerate(flat.split(ROWS)):
        logits = decoder.unembed(states).float()
        finite = finite and bool(logits.isfinite().all())
        log_probabilities = logits.log_softmax(dim=1)
        of_mean = log_probabilities[: max(0, depth - number * ROWS)]
        tops.append(of_mean.topk(kept, dim=1))
        probability, rank = _read(log_probabilities, wanted)
        probabilities.append(probability.cpu())
        ranks.append(rank.cpu())
    shape = (1 + draws, depth, len(wanted))
    rank, probability = torch.cat(ranks).view(shape), torch.cat(probabilities).view(shape)
    groups = [[wanted.index(token) for token in tokens] for tokens in asked]
    return {
        "top": torch.cat([found.indices for found in tops]).cpu(),
        "top_probability": torch.cat([found.values for found in tops]).exp().cpu(),
        "median": torch.stack([rank[..., group].quantile(0.5, dim=-1) for group in groups], -1),
        "best": torch.stack([rank[..., group].amin(dim=-1) for group in groups], -1),
        "probability": torch.stack([probability[..., group].sum(dim=-1) for group in groups], -1),
        "finite": finite,
    }


def random_vectors(mean: Tensor, draws: int, seed: int) -> Tensor:
    """Vectors in directions drawn evenly from all, as long as `mean` `[depth, width]` after each
    block: `[draws, depth, width]`. The same on every machine."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(draws, *mean.shape, generator=generator)
    lengths = mean.norm(dim=-1, keepdim=True)
    return drawn / drawn.norm(dim=-1, keepdim=True) * lengths


def _read(log_probabilities: Tensor, wanted: list[int]) -> tuple[Tensor, Tensor]:
    """Probability and rank of the wanted tokens, each `[rows, wanted]`.

    A rank is one more than the number of tokens that are more probable. They are counted between
    the wanted ones, which takes less time than to sort a large vocabulary. A token that the
    unembedding lacks (tokenizers may know more) is never predicted: probability 0, last rank.
    """
    rows, vocabulary = log_probabilities.shape
    ids = torch.tensor(wanted, device=log_probabilities.device)
    found = torch.full((rows, len(wanted)), -torch.inf, device=ids.device)
    known = ids < vocabulary
    found[:, known] = log_probabilities[:, ids[known]]
    ordered, order = found.sort(dim=1)
    below = torch.searchsorted(ordered, log_probabilities)
    counts = torch.zeros(rows, len(wanted) + 1, dtype=torch.long, device=ids.device)
    counts.scatter_add_(1, below, torch.ones_like(below))
    above = vocabulary - counts.cumsum(dim=1)[:, :-1]
    rank = torch.empty_like(found).scatter_(1, order, 1.0 + above)
    return found.double().exp(), rank.clamp(max=vocabulary)


def _top_rows(
    model: "Model", tokens: Tensor, probabilities: Tensor, answers: set[int]
) -> list[dict[str, Any]]:
    texts = model.vocabulary.texts
    return [
        {
            "vector": "task",
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
        for layer, of_block in enumerate(zip(tokens.tolist(), probabilities.tolist(), strict=True))
        for rank, (token, probability) in enumerate(zip(*of_block, strict=True), start=1)
    ]


def _asked_rows(
    read: dict[str, Tensor], sizes: list[int], words: Sequence[str]
) -> list[dict[str, Any]]:
    rows = []
    vectors, depth, _ = read["best"].shape
    for vector in range(vectors):
        for layer in range(depth):
            for group, size in enumerate(sizes):
                kind = "description" if group else "answers"
                rank = read["best" if group else "median"][vector, layer, group]
                rows.append(
                    {
                        "vector": "random" if vector else "task",
                        "draw": max(0, vector - 1),
                        "layer": layer,
                        "kind": kind,
                        "rank": float(rank),
                        "token": words[group - 1] if group else None,
                        "token_id": None,
                        "is_answer": None,
                        "probability": float(read["probability"][vector, layer, group]),
                        "tokens": size,
                    }
                )
    return rows


def _without_token(task: str, text: str) -> UsageError:
    return UsageError(
        f"Task {task}: {text!r} has no token of its own after a query; this template does not "
        "suit this tokenizer."
    )
