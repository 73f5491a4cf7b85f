from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from string import Formatter

import pytest

from tvsight.config import RunConfig
from tvsight.experiments.steering import CONTEXTS
from tvsight.experiments.steering.contexts import (
    FRAMES,
    NEUTRAL,
    in_contexts,
    other_template,
    sentences,
)
from tvsight.models.loading import Model, load
from tvsight.prompts import TEMPLATES, Episode, Template
from tvsight.protocol.rows import Asked
from tvsight.run.planning import Plan, read_plan
from tvsight.tasks import CATEGORIES

PLAN = read_plan(RunConfig(tasks="to_upper,next_letter", episodes_per_split=7, shots=2))


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Callable[[str], Path]) -> Model:
    return load(str(tiny_checkpoint("llama")), device="cpu")


def sampled(model: Model, plan: Plan = PLAN) -> tuple[list[Episode], list[Episode]]:
    """The episodes of the first task, and the test episodes of the second."""
    first, second = (list(plan.episodes(task, model)[0]) for task in plan.tasks)
    return first, [one for one in second if one.split == "test"]


@pytest.fixture(scope="module")
def found(model: Model) -> dict[str, Asked]:
    return in_contexts(PLAN, PLAN.tasks[0], model, *sampled(model))


def texts(model: Model, asked: Asked) -> list[str]:
    return model.tokenizer.batch_decode(asked.tokens["zero_shot"], skip_special_tokens=True)


def test_every_context_asks_the_test_queries_in_its_own_words(
    model: Model, found: dict[str, Asked]
) -> None:
    assert tuple(found) == CONTEXTS
    episodes, others = sampled(model)
    test = [episode for episode in episodes if episode.split == "test"]
    shown = {name: texts(model, of) for name, of in found.items()}
    for number, episode in enumerate(test):
        query, word = episode.query, episode.query.strip()
        assert shown["zero_shot"][number] == f"example:{query}->"
        assert shown["template"][number] == f"Q: {word}\nA:"
        frame = Template(FRAMES["algorithmic"][number % 5])
        assert shown["natural"][number] == frame.query(f" {word}")
        few_shot = shown["shuffled"][number]
        assert few_shot.endswith(f"example:{query}->")
        assert few_shot != PLAN.template.few_shot(episode.demonstrations, query)
        pairs = [pair for other in others for pair in other.demonstrations]
        lines = shown["other_task"][number].split("\n")
        assert lines[-1] == f"example:{query}->"
        assert set(lines[:-1]) <= {PLAN.template.demonstration(*pair).strip("\n") for pair in pairs}
        assert not any(line.startswith(f"example:{query}->") for line in lines[:-1])
    for of in found.values():
        assert list(of.episodes) == test
        assert len(of.tokens["expected"]) == len(of.tokens["accepted"]) == len(test)
    alone = in_contexts(PLAN, PLAN.tasks[0], model, episodes, [])
    assert set(CONTEXTS) - set(alone) == {"other_task"}


def test_demonstrations_of_another_task_that_show_the_query_are_passed_over(model: Model) -> None:
    episodes, others = sampled(model)
    (first, *_) = (episode for episode in episodes if episode.split == "test")
    showing = replace(others[0], demonstrations=((first.query, " no"),))
    plain = replace(others[0], demonstrations=((" 1", " 2"),))
    found = in_contexts(PLAN, PLAN.tasks[0], model, episodes, [showing, plain])
    assert texts(model, found["other_task"])[0].startswith("example: 1-> 2\n")
    none_else = in_contexts(PLAN, PLAN.tasks[0], model, episodes, [showing])
    assert texts(model, none_else["other_task"])[0].startswith(f"example:{first.query}-> no\n")
    named = {name: Template(text) for name, text in TEMPLATES.items()}
    assert other_template(named["example"]) == named["question"]
    assert other_template(named["question"]) == named["example"]


def test_texts_end_where_a_word_can_follow() -> None:
    assert set(FRAMES) == {*CATEGORIES}
    for category, frames in FRAMES.items():
        assert len(set(frames)) == 5
        for frame in frames:
            fields = [name for _, name, _, _ in Formatter().parse(frame) if name is not None]
            assert fields == ["x", "y"]
            assert frame.endswith("{y}")
            assert not frame.removesuffix("{y}").endswith(" ")
        assert sentences(category).startswith("sha256:")
    assert len(set(NEUTRAL)) == 20
    assert all(text[-1].isalpha() for text in NEUTRAL)
