"""Vectors as objects: applied, shown, and refused where they do not fit."""

import gc
import html
import resource
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
import torch

import tvsight
from tests.helpers.hostile import WORDS, raw
from tests.helpers.tiny_models import DEPTH
from tvsight.errors import UsageError
from tvsight.library.report import TITLES, Report
from tvsight.library.vector import Vector
from tvsight.statistics.intervals import Estimate

QUERIES = ("a", " b", "hot", "big", "slow down")
SHOWN = (("hot", "cold"), ("up", "down"))
HALF = Estimate(0.5, 0.2, 0.8, 6, 6)
REPORT = Report(6, 2, True, (0.0, 0.1, 0.5), dict.fromkeys(TITLES, HALF))


def answered(theta: Vector, word: str, shown: Any = (), patch: Any = None) -> str:
    """The answer of the function of one prompt, as a word."""
    found = tvsight.answer(theta.model, word, shown, patch=patch)
    return "" if found in theta.model.tokenizer.all_special_tokens else found.strip()


@pytest.mark.parametrize("layer", [None, 0, DEPTH - 1])
@pytest.mark.parametrize("shown", [(), SHOWN], ids=["zero-shot", "few-shot"])
def test_an_applied_vector_answers_as_a_patch_does(
    theta: Vector, layer: int | None, shown: tuple[tuple[str, str], ...]
) -> None:
    spaced = [(f" {x}", f" {y}") for x, y in shown]
    block = 2 if layer is None else layer
    for query in QUERIES:
        found = theta.apply(query, demonstrations=shown, layer=layer)
        word = f" {query.strip()}"
        patch = (block, theta.values[block])
        assert found == answered(theta, word, spaced, patch)


def test_an_added_vector_is_added_to_the_state_at_the_last_token(theta: Vector) -> None:
    written = replace(theta, values=theta.values / 10)
    added = replace(written, adds=True)
    for query in QUERIES:
        word = f" {query.strip()}"
        asked = tvsight.template("example").query(word)
        states = theta.model.decoder.nn._module(
            **theta.model.tokenizer(asked, return_tensors="pt"), output_hidden_states=True
        ).hidden_states
        vector = states[3][0, -1] + added.values[2]  # hidden state 0 is the embedding
        assert added.apply(query) == answered(theta, word, patch=(2, vector))
    answers = [[one.apply(query) for query in QUERIES] for one in (written, added)]
    assert answers[0] != answers[1]


def test_several_tokens_begin_with_the_one_and_end_with_the_template(theta: Vector) -> None:
    for query in QUERIES:
        assert theta.apply(query, tokens=4).startswith(theta.apply(query))
    own = theta.apply("hot", tokens=4, prompt="in:{x} out:{y}" + theta.apply("hot", tokens=4)[-1:])
    assert theta.apply("hot", tokens=4)[-1:] not in own
    plain = replace(theta, spaced=False)  # where words keep their form
    assert plain.apply("hot") == answered(theta, "hot", patch=(2, theta.values[2]))
    assert plain.apply(" hot") == theta.apply("hot")


WRONG: dict[str, Callable[[Any], Any]] = {
    "^values: expected a dense array .*\\[4, 32\\]": lambda theta: replace(
        theta, values=theta.values[:-1]
    ),
    "^values: .* got list": lambda theta: replace(theta, values=theta.values.tolist()),
    "^values: the vector holds NaN": lambda theta: replace(theta, values=theta.values * torch.nan),
    "^layer: .*0 to 4, got int 5": lambda theta: replace(theta, layer=5),
    "^layer: .* got int -1": lambda theta: theta.apply("a", layer=-1),
    "^layer: .* got float 2.0": lambda theta: theta.steering(layer=2.0).__enter__(),
    "^alpha: expected a finite number, got float nan": lambda theta: theta.steering(
        float("nan")
    ).__enter__(),
    "^alpha: expected a finite number, got int 1000": lambda theta: theta.steering(10**400),
    "^alpha: .* int of too many digits": lambda theta: theta.steering(10**5000),
    "^alpha: expected a finite number, got Decimal": lambda theta: theta.steering(
        Decimal(10) ** 400
    ),
    "^factor: expected a finite number, got Fraction": lambda theta: Fraction(10**400) * theta,
    "^alpha: expected a finite number, got float inf": lambda theta: theta.steering(torch.inf),
    "^alpha: .* got bool": lambda theta: theta.steering(True).__enter__(),
    "^vector: .* NaN or infinity": lambda theta: theta.steering(1e39).__enter__(),
    "^query: expected a text with a word": lambda theta: theta.apply(" "),
    "^tokens: expected a whole number of at least 1": lambda theta: theta.apply("a", tokens=0),
    "^tokens: .* got int 1000": lambda theta: theta.apply("a", tokens=10**400),
    "^layer: .* got int 1000": lambda theta: theta.apply("a", layer=10**400),
    "^The longest prompt has 1000000000": lambda theta: theta.apply("a", tokens=10**18),
    "^demonstrations: expected pairs": lambda theta: theta.apply("a", demonstrations="ab"),
    "^Unknown template": lambda theta: theta.apply("a", prompt="arow"),
    "^model: expected what tvsight.load returns": lambda theta: replace(theta, model="gpt2"),
    "^spaced: expected True or False, got int": lambda theta: replace(theta, spaced=1),
    "^report: expected a report of .* got dict": lambda theta: replace(theta, report={}),
    "^origin: expected the origin .* got str": lambda theta: replace(theta, origin="gpt2"),
    "^task: expected UTF-8 text": lambda theta: replace(theta, task=None),
    "^kind: expected UTF-8 text": lambda theta: replace(theta, kind=b"task_vector"),
    "^prompt: expected a template": lambda theta: replace(theta, template=3),
    "^The longest prompt": lambda theta: theta.apply("a", tokens=128),
}


@pytest.mark.parametrize("told", WRONG)
def test_what_does_not_fit_is_refused_in_one_line(theta: Vector, told: str) -> None:
    with pytest.raises(UsageError, match=told) as refused:
        WRONG[told](theta)
    assert "\n" not in str(refused.value)


def test_a_vector_shows_its_shape_place_and_report(theta: Vector) -> None:
    begins = f"<task_vector · to_upper · {theta.model.name} · [5, 32] · written after block 2"
    assert repr(theta).startswith(begins)
    told = repr(replace(theta, report=REPORT))
    assert "block 2 of 0–4" in told
    assert "Vector 0.50 [0.20, 0.80]" in told
    alone = replace(theta, report=replace(REPORT, episodes=1))
    assert "over 1 episode:" in repr(alone)
    assert "1 episode<" in alone._repr_html_()


@pytest.mark.parametrize("words", WORDS.values(), ids=list(WORDS))
def test_no_name_reaches_a_page_as_markup(theta: Vector, words: str) -> None:
    source = replace(theta.model.source, name=words)
    model = replace(theta.model, source=source)
    named = replace(theta, model=model, task=words, kind=words, report=REPORT)
    for page in (named._repr_html_(), model._repr_html_()):
        assert raw(page) == set()
        for tag in ("div", "b", "table", "tr", "td", "th"):
            page = page.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
        assert "<" not in page
        assert ">" not in page
        assert html.unescape(page).count("Vector") <= 1
    assert raw(repr(named)) == set()


def test_a_call_runs_each_block_on_each_token_once_at_most(theta: Vector) -> None:
    seen: list[int] = []
    module = theta.model.decoder.nn._module
    hooks = [
        block.mlp.register_forward_hook(lambda _, given, __: seen.append(given[0].shape[1]))
        for block in module.transformer.h
    ]
    tokens = len(theta.model.tokenizer(tvsight.template("example").query(" hot")).input_ids)
    try:
        theta.apply("hot")
        assert sum(seen) <= DEPTH * tokens
        seen.clear()
        theta.apply("hot", tokens=4)
        assert sum(seen) <= DEPTH * (tokens + 3)
    finally:
        for hook in hooks:
            hook.remove()


def test_a_hundred_calls_hold_no_more_memory_than_ten(theta: Vector) -> None:
    def objects_after(calls: int) -> int:
        for number in range(calls):
            theta.apply("hot")
            if number % 5 == 0:
                with theta.steering(2):
                    theta.model.generate("hot", 2)
        gc.collect()
        return len(gc.get_objects())

    before, peak = objects_after(10), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert objects_after(100) - before < 100
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 20_000  # kilobytes


def test_a_list_is_answered_as_its_texts_are(theta: Vector) -> None:
    model, queries = theta.model, list(QUERIES)
    added = replace(theta, values=theta.values / 10, adds=True)
    patch = (2, theta.values[2])
    for one in (theta, added):
        assert one.apply(queries, 3) == [one.apply(query, 3) for query in queries]
    assert tvsight.answer(model, queries, patch=patch) == [
        tvsight.answer(model, query, patch=patch) for query in queries
    ]
    with theta.steering(2):
        apart = [model.generate(query, 6) for query in queries]
        assert model.generate(queries, 6) == apart
    assert model.generate(queries, 6) != apart
    for call in (theta.apply, model.generate, lambda none: tvsight.answer(model, none)):
        with pytest.raises(UsageError, match="expected at least one text"):
            call([])


def test_vectors_can_be_reckoned_with(theta: Vector) -> None:
    other = Vector(theta.model, "other", theta.values.flip(0), layer=1)
    found = 2 * theta + other - theta
    assert torch.equal(found.values, 2 * theta.values + other.values - theta.values)
    assert (found.layer, found.report, found.task) == (2, None, "2 to_upper + other + -1 to_upper")
    assert torch.equal((-theta).values, -theta.values)
    torch.testing.assert_close(theta.cosine(-theta), -torch.ones(DEPTH))
    alone = Vector(theta.model, "to_upper", theta.values[2], layer=2)
    assert alone.values.shape == theta.values.shape
    assert alone.apply(list(QUERIES)) == theta.apply(list(QUERIES))
    for wrong, told in ((3, "another vector"), (replace(other, adds=True), "one vector is added")):
        with pytest.raises(UsageError, match=told):
            _ = theta + wrong
