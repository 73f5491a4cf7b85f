"""Episodes as token ids. Nothing else leaves this machine when a measurement runs elsewhere."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

from tvsight.errors import UsageError, option
from tvsight.prompts.episodes import Episode
from tvsight.prompts.filtering import cut_answers
from tvsight.prompts.templates import Template
from tvsight.tasks import MatchRule
from tvsight.tasks.words import shown

if TYPE_CHECKING:
    from torch import Tensor

    from tvsight.models.loading import Model

TokenIds = list[int]

AVERAGED_OVER = 50
"""Number of episodes whose vectors are averaged together: the size of a split in the paper, so that
its protocol averages over a whole split, and larger splits can be measured in parts."""


class PromptTokens(TypedDict):
    """The prompts of some episodes and their correct tokens, one entry per episode.

    Plain lists, so that it crosses to a server unchanged. The few-shot prompts of an episode, of
    its query and of its dummy queries, are split: `shared` is their longest common prefix of
    tokens, and the rest are continuations.
    """

    shared: list[TokenIds]
    query: list[TokenIds]
    """The continuation of `shared` in the prompt `S, x→`."""
    dummies: list[list[TokenIds]]
    """The continuation of `shared` in each prompt `S, x'→`."""
    zero_shot: list[TokenIds]
    """The whole prompt `x→`."""
    accepted: list[TokenIds]
    """Tokens that count as correct."""
    expected: list[int]
    """First token of the most usual answer, whose log-probability is reported."""
    others: list[list[int]]
    """Positions of the episodes for the averaged vector: of `AVERAGED_OVER` episodes in a row, all
    that do not contain the query. Where there are none, the episode itself, whose prompts for θ
    do not contain its query either."""
    shuffled: NotRequired[list[TokenIds]]
    """The prompt `S, x→` with its answers permuted among the demonstrations: for methods that
    compare it."""
    answers: NotRequired[list[TokenIds]]
    """Every token of the usual answer: for whole answers."""
    right: NotRequired[list[TokenIds]]
    """For controls, whose few-shot prompts all have shuffled labels: `shared` with the right ones.
    """
    seeds: NotRequired[list[int]]
    """For controls: of the random direction."""
    norms: NotRequired["Tensor"]
    """For controls: the length of θ after each block, `[episodes, depth]`."""
    deviations: NotRequired["Tensor"]
    """For controls: the length of θ minus the mean vector of all tasks, `[episodes, depth]`."""


def tokenise(
    model: "Model", episodes: Sequence[Episode], rule: MatchRule, template: Template
) -> PromptTokens:
    """Tokenise the prompts of `episodes`.

    Raises:
        UsageError: when a prompt is longer than the model's context window, or an answer has no
            token of its own after its prompt.
    """
    tokenizer = model.tokenizer
    cut = cut_answers(tokenizer, [(e.query, e.accepted) for e in episodes], template)
    few_shot = [
        template.few_shot(episode.demonstrations, given)
        for episode in episodes
        for given in (episode.query, *episode.dummy_queries)
    ]
    in_full = tokenizer(few_shot).input_ids
    check_window(model, in_full)
    few_shot_ids = iter(in_full)
    queries = [template.query(episode.query) for episode in episodes]
    tokens: PromptTokens = {
        "shared": [],
        "query": [],
        "dummies": [],
        "zero_shot": tokenizer(queries).input_ids,
        "accepted": [
            accepted_tokens(model, episode.accepted, episode_tokens, rule)
            for episode, episode_tokens in zip(episodes, cut, strict=True)
        ],
        "expected": _first_tokens(
            [episode_tokens[0] for episode_tokens in cut], episodes, template
        ),
        "others": [_others(episodes, own) for own in range(len(episodes))],
    }
    for episode in episodes:
        prompts = [next(few_shot_ids) for _ in range(1 + len(episode.dummy_queries))]
        split = _shared_length(prompts)
        tokens["shared"].append(prompts[0][:split])
        continuations = [prompt[split:] for prompt in prompts]
        tokens["query"].append(continuations[0])
        tokens["dummies"].append(continuations[1:])
    return tokens


def whole_prompts(tokens: PromptTokens) -> list[TokenIds]:
    """The whole prompt `S, x→` of every episode."""
    both = zip(tokens["shared"], tokens["query"], strict=True)
    return [[*shared, *query] for shared, query in both]


def check_window(model: "Model", prompts: Sequence[Sequence[int]], remedy: str = "") -> None:
    """Check that prompts fit the model's context window.

    Beyond it learned positions do not exist, and rotary positions were not trained.

    Args:
        remedy: a sentence on what to do where one does not.

    Raises:
        UsageError: when a prompt is longer.
    """
    window, longest = model.decoder.window, max(map(len, prompts), default=0)
    if window is not None and longest > window:
        longer = sum(len(prompt) > window for prompt in prompts)
        usual = (
            f"fewer demonstrations ({option('shots')}), shorter inputs, or a model with a longer"
        )
        raise UsageError(
            f"The longest prompt has {longest} tokens, and the context window of {model.name} is "
            f"{window} tokens ({longer} of {len(prompts)} prompts {'is' if longer == 1 else 'are'} "
            f"longer). {remedy or f'Give {usual} window.'}"
        )


def accepted_tokens(
    model: "Model", answers: Sequence[str], cut: Sequence[TokenIds], rule: MatchRule
) -> list[int]:
    """Ids of the tokens that count as one of `answers`, ascending.

    They are the tokens whose text `tasks.matching.matches` accepts, and each answer's own first
    token: always under `prefix`, and under `exact` where it is the whole answer. The text of that
    token may not match: it may be a single letter, a part of a character, or a letter that the
    tokenizer writes in another way. The unknown token is no answer.

    Args:
        cut: the tokens of each answer, from `cut_answers`.
    """
    tokens = set(model.vocabulary.accepted(answers, rule))
    tokens |= {own[0] for own in cut if own and (rule == "prefix" or len(own) == 1)}
    return sorted(tokens - {model.tokenizer.unk_token_id})


def parts(tokens: PromptTokens, most: int | None) -> list[PromptTokens]:
    """Split prompts into parts of at most `most` episodes, where `others` allows it."""
    total = len(tokens["shared"])
    if most is None or total <= most:
        return [tokens]
    size = max(1, most // AVERAGED_OVER) * AVERAGED_OVER
    return [_part(tokens, slice(start, start + size)) for start in range(0, total, size)]


def _part(tokens: PromptTokens, chosen: slice) -> PromptTokens:
    part = {name: entries[chosen] for name, entries in cast(dict[str, list[Any]], tokens).items()}
    part["others"] = [[o - chosen.start for o in others] for others in part["others"]]
    return cast(PromptTokens, part)


def few_episodes(prompts: Mapping[str, Any], count: int, vocabulary: int) -> dict[str, Any]:
    """The prompts of the first episodes, in tokens of a small vocabulary, for a rehearsal.

    Args:
        prompts: one entry per episode under every name, as in `PromptTokens`. Whole numbers are
            token ids.
        count: of episodes.
        vocabulary: number of tokens.
    """
    few = {name: _in_small(entries[:count], vocabulary) for name, entries in prompts.items()}
    if "others" in few:  # these are no tokens
        few["others"] = [[0] for _ in few["others"]]
    return few


def _in_small(value: Any, vocabulary: int) -> Any:
    if isinstance(value, list | tuple):
        return [_in_small(part, vocabulary) for part in value]
    return value % vocabulary if type(value) is int else value


def averaged_together(episode: int, total: int) -> range:
    """The positions whose vectors are averaged together with `episode`, itself included, in a split
    of `total` episodes."""
    start = episode - episode % AVERAGED_OVER
    return range(start, min(start + AVERAGED_OVER, total))


def _others(episodes: Sequence[Episode], own: int) -> list[int]:
    query = episodes[own].query
    together = averaged_together(own, len(episodes))
    return [other for other in together if not episodes[other].contains(query)] or [own]


def _first_tokens(
    answers: list[TokenIds], episodes: Sequence[Episode], template: Template
) -> list[int]:
    for tokens, episode in zip(answers, episodes, strict=True):
        if not tokens:
            raise UsageError(
                f"Task {episode.task}: the answer {shown(episode.accepted[0])} has no token of its "
                f"own after the query {shown(episode.query)}; this template does not suit this "
                f"tokenizer. {template.spaces}".rstrip()
            )
    return [tokens[0] for tokens in answers]


def _shared_length(prompts: list[TokenIds]) -> int:
    """Length of the longest common prefix that leaves every prompt at least one token."""
    limit = min(map(len, prompts)) - 1
    for position in range(limit):
        if len({prompt[position] for prompt in prompts}) > 1:
            return position
    return limit
