"""Filter the episodes of a file by a tokenizer that they may not have been sampled for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tvsight.errors import UsageError, option
from tvsight.prompts.episodes import SPLITS, Episode
from tvsight.prompts.filtering import cut_answers
from tvsight.prompts.templates import Template
from tvsight.tasks import Task
from tvsight.tasks.words import shown

if TYPE_CHECKING:
    from tvsight.models.loading import Model

MIN_EPISODES = 20
"""The smallest number of episodes of a task, half in each split, where some are left out."""
NAMED = 5
"""Number of episodes that a sentence names. The manifest names all."""
REPLAYED = "replayed"
"""The field of a manifest about the episodes of a file."""


def suited(
    model: "Model", task: Task, episodes: Sequence[Episode], template: Template
) -> tuple[list[Episode], dict[str, Any]]:
    """The episodes that suit a model's tokenizer, and a description of all for the manifest.

    As in sampling, an accepted answer must be one token after the query under the `exact` rule, and
    have a token of its own there under `prefix`.

    Returns:
        The episodes, and the description: `kept` and `of`, their number and that of all;
        `repeated`, the number of those that repeat an earlier one; `left_out`, each with its split,
        its number in the file's split, its query and the reason; `remarks`, the same in sentences.

    Raises:
        UsageError: when some are left out and fewer than `MIN_EPISODES` remain.
    """
    kept: list[Episode] = []
    left_out: list[dict[str, Any]] = []
    numbers: Counter[str] = Counter()
    for episode, reason in zip(episodes, _reasons(model, task, episodes, template), strict=True):
        number = numbers[episode.split]
        numbers[episode.split] += 1
        if reason is None:
            kept.append(episode)
        else:
            at = {"split": episode.split, "episode": number, "query": episode.query}
            left_out.append({**at, "reason": reason})
    repeated = len(kept) - len(set(kept))
    told = [_left_out(left_out, len(episodes))] if left_out else []
    told += [f"{repeated} episodes repeat an earlier one"] if repeated else []
    remaining = {split: sum(episode.split == split for episode in kept) for split in SPLITS}
    if left_out and min(remaining.values()) < MIN_EPISODES // 2:
        counts = " and ".join(f"{count} {split}" for split, count in remaining.items())
        raise UsageError(
            f"{told[0]}. {counts} episodes remain; at least {MIN_EPISODES // 2} of each are "
            f"needed. Sample episodes for {model.name} (without {option('episodes')}), or replay "
            "a file that was saved for its tokenizer."
        )
    counted = {"kept": len(kept), "of": len(episodes), "repeated": repeated}
    return kept, {**counted, "left_out": left_out, "remarks": told}


def remarks(suited: object) -> list[str]:
    """The sentences on the episodes of a result that tables print beneath.

    Args:
        suited: the description from `suited` in a manifest; None where episodes were sampled.
    """
    match suited:
        case {"remarks": [*told]}:
            return list(map(str, told))
    return []


def _left_out(left_out: Sequence[Mapping[str, Any]], total: int) -> str:
    """A sentence on the episodes that are left out: their number, the reasons, the first ones."""
    reasons = dict.fromkeys(left["reason"] for left in left_out)
    named = [
        f"{left['split']} {left['episode']} ({shown(left['query'].strip())})"
        for left in left_out[:NAMED]
    ]
    more = [f"{len(left_out) - NAMED} more"] if len(left_out) > NAMED else []
    return (
        f"{len(left_out)} of {total} episodes of the file do not suit the tokenizer and are left "
        f"out, because {' or '.join(reasons)}: {', '.join([*named, *more])}"
    )


def _reasons(
    model: "Model", task: Task, episodes: Sequence[Episode], template: Template
) -> list[str | None]:
    """The reason why each episode does not suit the tokenizer; None where it does."""
    tokenizer = model.tokenizer
    cut = cut_answers(tokenizer, [(e.query, e.accepted) for e in episodes], template)
    reasons: list[str | None] = []
    for episode, answers in zip(episodes, cut, strict=True):
        words = tokenizer(episode.words, add_special_tokens=False).input_ids
        if any(tokenizer.unk_token_id in tokens for tokens in words):
            reasons.append("the tokenizer does not know a word")
        elif not answers[0]:  # the usual answer
            reasons.append("the answer has no token of its own after the query")
        elif task.match == "exact" and not any(len(tokens) == 1 for tokens in answers):
            reasons.append("no accepted answer is one token there")
        else:
            reasons.append(None)
    return reasons
