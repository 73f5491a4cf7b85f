"""The prompts that a vector is applied to: the test queries in several contexts."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from tvsight.prompts import Episode, PromptTokens, Template, tokenise
from tvsight.prompts.templates import TEMPLATES
from tvsight.prompts.tokens import whole_prompts
from tvsight.protocol.rows import Asked, asked, method_tokens
from tvsight.run.planning import Plan
from tvsight.tasks import Task

if TYPE_CHECKING:
    from tvsight.models.loading import Model

_ANY = (
    "On the board stood{x}, and beside it the teacher wrote{y}",
    "The screen showed{x} for a moment, and then it showed{y}",
    "My sister typed{x} into the machine, and it gave back{y}",
    "In the margin somebody had put{x}, and under it{y}",
    "The card said{x} on the front, and on the back it said{y}",
)
FRAMES = {
    "algorithmic": _ANY,
    "translation": (
        "The label on the box said{x}, and my neighbour called it{y}",
        "When the guest said{x}, the host nodded and said{y}",
        "She read{x} aloud from the book, and her friend answered{y}",
        "Under the picture stood{x}, and somebody had added{y}",
        "He pointed at the sign that said{x}, and the child said{y}",
    ),
    "linguistic": (
        "The first draft said{x}, and the second one said{y}",
        "The editor crossed out{x} and wrote{y}",
        "Instead of{x} I would rather have said{y}",
        "The card on the table read{x}, and the next one read{y}",
        "When I say{x}, my brother always says{y}",
    ),
    "knowledge": (
        "We talked about{x} for a while, and soon everybody thought of{y}",
        "The article about{x} also mentioned{y}",
        "Whenever I hear of{x}, I have to think of{y}",
        "The quiz had a question on{x}, and my answer was{y}",
        "Under the photo of{x} there was a note that said{y}",
    ),
    "custom": _ANY,
}
"""Natural text around a query, by category: it names no task, and ends where a word can follow."""
NEUTRAL = (
    "The train was late again this morning, so we waited on the",
    "After dinner they washed the dishes and put them in the",
    "It had rained all night, and the garden was full of",
    "She opened the window because the room was too",
    "The old bridge over the river was closed for",
    "He bought two tickets and a small bottle of",
    "Our neighbours have a dog that barks at every",
    "The meeting began at nine and lasted until",
    "On Sundays the market in the square sells fresh",
    "I could not find my keys, so I called my",
    "The children built a castle out of wet",
    "There was a long queue in front of the",
    "In autumn the leaves of these trees turn",
    "The book lay open on the table beside a cup of",
    "They walked along the beach and talked about their",
    "The lamp in the hall has been broken since last",
    "My grandfather kept his tools in a wooden",
    "The bus stops right in front of the",
    "We had to wait for an hour until the doctor",
    "A cold wind came from the north, and everybody put on a",
)
"""Sentences that have nothing to do with any task, each without its last word."""


def sentences(category: str) -> str:
    """A checksum of the natural and neutral text that a task of a category is measured with."""
    return "sha256:" + sha256("\n".join((*FRAMES[category], *NEUTRAL)).encode()).hexdigest()


def other_template(template: Template) -> Template:
    """The template of the context `template`: `question`, or `example` for any but that one."""
    main = Template(TEMPLATES["example"])
    return Template(TEMPLATES["question"]) if template == main else main


def in_contexts(
    plan: Plan, task: Task, model: "Model", episodes: Sequence[Episode], others: Sequence[Episode]
) -> dict[str, Asked]:
    """The test episodes in every context. `zero_shot` of the tokens is the whole prompt of each.

    Args:
        others: test episodes of another task, whose demonstrations are shown in `other_task`; there
            is no such context without them.

    Raises:
        UsageError: when a prompt or an answer does not suit the tokenizer.
    """
    by_split = asked(model, task, episodes, plan.template)
    test = by_split["test"]
    shuffled = method_tokens(plan, task, model, episodes, by_split)["test"]["shuffled"]
    contexts = {"zero_shot": test, "shuffled": _prompted(test, test.tokens, shuffled)}
    if others:
        shown = [_shown(others, number, own) for number, own in enumerate(test.episodes)]
        tokens = tokenise(model, shown, task.match, plan.template)
        contexts["other_task"] = _prompted(test, tokens, whole_prompts(tokens))
    spaced = [_alone(episode) for episode in test.episodes]
    templates = {"template": [other_template(plan.template)]}
    templates["natural"] = [Template(frame) for frame in FRAMES[task.category]]
    for name, in_turn in templates.items():
        contexts[name] = test._replace(tokens=_tokenised_in_turn(model, spaced, task, in_turn))
    return contexts


def _prompted(test: Asked, tokens: PromptTokens, prompts: list[list[int]]) -> Asked:
    return test._replace(tokens={**tokens, "zero_shot": prompts})


def _shown(others: Sequence[Episode], number: int, own: Episode) -> Episode:
    """An episode with the demonstrations of another task: those of the episode of its number, or
    of the next whose demonstrations do not contain the query."""
    in_turn = [others[(number + step) % len(others)] for step in range(len(others))]
    free = (other for other in in_turn if own.query not in dict(other.demonstrations))
    return replace(own, demonstrations=next(free, in_turn[0]).demonstrations)


def _alone(episode: Episode) -> Episode:
    """The query without demonstrations. It and its answers begin with a space, as in a sentence."""
    query, *accepted = (f" {word.lstrip(' ')}" for word in (episode.query, *episode.accepted))
    alone = replace(episode, demonstrations=(), dummy_queries=())
    return replace(alone, query=query, accepted=tuple(accepted))


def _tokenised_in_turn(
    model: "Model", episodes: Sequence[Episode], task: Task, templates: Sequence[Template]
) -> PromptTokens:
    """The tokens of episodes under templates that take turns."""
    step = min(len(templates), len(episodes))
    parts: list[Any] = [
        tokenise(model, episodes[first::step], task.match, templates[first])
        for first in range(step)
    ]
    places = [divmod(number, step) for number in range(len(episodes))]
    in_order = {name: [parts[part][name][row] for row, part in places] for name in parts[0]}
    return cast("PromptTokens", in_order)
