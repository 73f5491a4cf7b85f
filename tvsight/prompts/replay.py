"""Episodes from a file under a tokenizer that they were not sampled for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tvsight.errors import UsageError
from tvsight.prompts.episodes import SPLITS, Episode
from tvsight.prompts.filtering import answer_tokens
from tvsight.prompts.templates import Template
from tvsight.prompts.tokens import TokenIds, tokenise
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
        `left_out`, each with its split, its number in the file's split, its query and the reason.

    Raises:
        UsageError: when some are left out and fewer than `MIN_EPISODES` remain, or a prompt is
            longer than the model's context window.
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
    found = {
        "kept": len(kept),
        "of": len(episodes),
        "repeated": len(kept) - len(set(kept)),
        "left_out": left_out,
    }
    remaining = {split: sum(episode.split == split for episode in kept) for split in SPLITS}
    if left_out and min(remaining.values()) < MIN_EPISODES // 2:
        counts = " and ".join(f"{count} {split}" for split, count in remaining.items())
        raise UsageError(
            f"{_left_out(found)}. {counts} episodes remain; at least {MIN_EPISODES // 2} of each "
            f"are needed. Sample episodes for {model.name} (without --episodes), or replay a file "
            "that was saved for its tokenizer."
        )
    return kept, found


def remarks(manifest: Mapping[str, Any]) -> list[str]:
    """What a reader of a table should know of the episodes of a result."""
    found = manifest.get(REPLAYED)
    told = []
    if found and found["left_out"]:
        told.append(_left_out(found))
    if found and found["repeated"]:
        told.append(f"{found['repeated']} of {found['kept']} episodes repeat an earlier one")
    return told


def _left_out(found: Mapping[str, Any]) -> str:
    """How many episodes were left out and why, with the first of them."""
    left_out = found["left_out"]
    reasons = dict.fromkeys(one["reason"] for one in left_out)
    named = [
        f"{one['split']} {one['episode']} ({shown(one['query'].strip())})"
        for one in left_out[:NAMED]
    ]
    more = [f"{len(left_out) - NAMED} more"] if len(left_out) > NAMED else []
    return (
        f"{len(left_out)} of {found['of']} episodes of the file do not suit the tokenizer and are "
        f"left out, because {' or '.join(reasons)}: {', '.join([*named, *more])}"
    )


def _reasons(
    model: "Model", task: Task, episodes: Sequence[Episode], template: Template
) -> list[str | None]:
    """Why each episode cannot be asked; None where it can."""
    asked = [(template.query(episode.query), a) for episode in episodes for a in episode.accepted]
    prompts, answers = zip(*asked, strict=True)
    added = iter(answer_tokens(model.tokenizer, prompts, answers))
    of_answers = [[next(added) for _ in episode.accepted] for episode in episodes]
    reasons = [
        _foreign_word(model.tokenizer, episode) or _unfit_answer(task.match, tokens)
        for episode, tokens in zip(episodes, of_answers, strict=True)
    ]
    askable = [n for n, reason in enumerate(reasons) if reason is None]
    if askable:
        prompts_of = tokenise(model, [episodes[n] for n in askable], task.match, template)
        for number, accepted in zip(askable, prompts_of["accepted"], strict=True):
            if not accepted:
                reasons[number] = "no token of the vocabulary is an accepted answer"
    return reasons


def _foreign_word(tokenizer: Any, episode: Episode) -> str | None:
    shown_words = [word for pair in episode.demonstrations for word in pair]
    words = [*shown_words, episode.query, *episode.dummy_queries, *episode.accepted]
    found = tokenizer(words, add_special_tokens=False).input_ids
    reserved = set(tokenizer.all_special_ids)
    if any(not reserved.isdisjoint(tokens) for tokens in found):
        return "a word holds a token that is unknown or reserved"
    return None


def _unfit_answer(rule: MatchRule, of_answers: Sequence[TokenIds]) -> str | None:
    """Why the tokens of the accepted answers, the usual one's first, cannot be predicted."""
    if not of_answers[0]:
        return "the answer has no token of its own after the query"
    if rule == "exact" and not any(len(tokens) == 1 for tokens in of_answers):
        return "no accepted answer is one token there"
    return None
