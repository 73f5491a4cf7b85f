"""Episodes from a file under a tokenizer that they were not sampled for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tvsight.errors import UsageError
from tvsight.prompts.episodes import SPLITS, Episode
from tvsight.prompts.filtering import cut_answers
from tvsight.prompts.templates import Template
from tvsight.prompts.tokens import TokenIds
from tvsight.tasks import MatchRule, Task
from tvsight.tasks.files import shown

if TYPE_CHECKING:
    from tvsight.models.loading import Model

MIN_EPISODES = 20
"""Episodes of a task, half of them of each split, that have to remain where some are left out."""
NAMED = 5
"""Episodes that a sentence names; the manifest names all."""
REPLAYED = "replayed"
"""The field of a manifest that says what became of a file's episodes."""


def suited(
    model: "Model", task: Task, episodes: Sequence[Episode], template: Template
) -> tuple[list[Episode], dict[str, Any]]:
    """The episodes that a model can be asked, and what a manifest says of all of them.

    As in sampling, an accepted answer is one token where it stands under the `exact` rule, and has
    a token of its own there under `prefix`.

    Returns:
        The episodes; and `kept` `of` how many, `repeated` (how many repeat an earlier one), and
        `left_out`, each with its split, its number in the file's split, its query and the reason;
        `remarks` say so in sentences.

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
            place = {"split": episode.split, "episode": number, "query": episode.query}
            left_out.append({**place, "reason": reason})
    repeated = len(kept) - len(set(kept))
    told = [_left_out(left_out, len(episodes))] if left_out else []
    told += [f"{repeated} episodes repeat an earlier one"] if repeated else []
    remaining = {split: sum(episode.split == split for episode in kept) for split in SPLITS}
    if left_out and min(remaining.values()) < MIN_EPISODES // 2:
        counts = " and ".join(f"{count} {split}" for split, count in remaining.items())
        raise UsageError(
            f"{told[0]}. {counts} episodes remain; at least {MIN_EPISODES // 2} of each are "
            f"needed. Sample episodes for {model.name} (without --episodes), or replay a file "
            "that was saved for its tokenizer."
        )
    counted = {"kept": len(kept), "of": len(episodes), "repeated": repeated}
    return kept, {**counted, "left_out": left_out, "remarks": told}


def remarks(found: object) -> list[str]:
    """What tables say beneath of the episodes of a result.

    Args:
        found: `replayed` of a manifest, from `suited`; None where episodes were sampled.
    """
    match found:
        case {"remarks": [*told]}:
            return list(map(str, told))
    return []


def _left_out(left_out: Sequence[Mapping[str, Any]], total: int) -> str:
    """How many episodes are left out and why, with the first of them."""
    reasons = dict.fromkeys(one["reason"] for one in left_out)
    named = [
        f"{one['split']} {one['episode']} ({shown(one['query'].strip())})"
        for one in left_out[:NAMED]
    ]
    more = [f"{len(left_out) - NAMED} more"] if len(left_out) > NAMED else []
    return (
        f"{len(left_out)} of {total} episodes of the file do not suit the tokenizer and are left "
        f"out, because {' or '.join(reasons)}: {', '.join([*named, *more])}"
    )


def _reasons(
    model: "Model", task: Task, episodes: Sequence[Episode], template: Template
) -> list[str | None]:
    """Why each episode cannot be asked; None where it can."""
    asked = [(episode.query, episode.accepted) for episode in episodes]
    return [
        _unknown_word(model.tokenizer, episode) or _unfit_answer(task.match, of_episode)
        for episode, of_episode in zip(
            episodes, cut_answers(model.tokenizer, asked, template), strict=True
        )
    ]


def _unknown_word(tokenizer: Any, episode: Episode) -> str | None:
    found = tokenizer(episode.words, add_special_tokens=False).input_ids
    if any(tokenizer.unk_token_id in tokens for tokens in found):
        return "the tokenizer does not know a word"
    return None


def _unfit_answer(rule: MatchRule, of_answers: Sequence[TokenIds]) -> str | None:
    """Why the tokens of the accepted answers, the usual one's first, cannot be predicted."""
    if not of_answers[0]:
        return "the answer has no token of its own after the query"
    if rule == "exact" and not any(len(tokens) == 1 for tokens in of_answers):
        return "no accepted answer is one token there"
    return None
