from collections.abc import Iterable
from dataclasses import replace

import pytest

from tests.helpers.piece_tokenizer import piece_tokenizer
from tvsight.errors import UsageError
from tvsight.experiments.templates.episodes import (
    common_pairs,
    foreign_queries,
    foreign_task,
    respelled,
    under_templates,
)
from tvsight.prompts import Episode, Template, template
from tvsight.tasks import Pair, Task, packaged_tasks

WORDS = [f"w{first}{second}" for first in "abcde" for second in "abcdefgh"]
TEMPLATES = {"example": template("example"), "mine": Template("{x}:{y}\n")}


EPISODES = [Episode("t", "dev", (("a", "b"),), f"{n}", ("x",), ("c", "d")) for n in range(40)]


ONE_DRAW = [("Zambia", "Portugal"), ("Norway", "Gambia")]


def task_of(count: int) -> Task:
    pairs = [Pair(f"{i}", (WORDS[i], WORDS[i + 1])) for i in range(count)]
    return Task("mine", "custom", "", "exact", tuple(pairs), "")


def test_a_pair_survives_under_all_templates_or_not_at_all() -> None:
    # A piece that begins with the end of a template takes it away from the prompt there.
    pieces = [f" {word}" for word in WORDS] + [f"-> {WORDS[3]}", f": {WORDS[5]}"]
    tokenizer = piece_tokenizer(pieces)
    alone = {name: {name: one} for name, one in TEMPLATES.items()}
    lost = {
        name: {str(i) for i in range(30)}
        - {pair.input for pair in common_pairs(task_of(30), tokenizer, one, "a").pairs.pairs}
        for name, one in alone.items()
    }
    assert lost == {"example": {"3"}, "mine": {"5"}}
    found = common_pairs(task_of(30), tokenizer, TEMPLATES, "a-model")
    kept = [i for i in range(30) if i not in (3, 5)]
    assert [pair.input for pair in found.pairs.pairs] == [str(i) for i in kept]
    assert (found.pairs.total, found.pairs.spaced) == (30, False)
    # A further answer counts under all templates or not at all as well.
    answers = {pair.input: pair.answers for pair in found.pairs.pairs}
    assert answers["2"] == (WORDS[2],)
    assert answers["4"] == (WORDS[4],)
    assert answers["6"] == (WORDS[6], WORDS[7])


def test_each_template_sets_words_off_in_its_own_way() -> None:
    # After `!` a space is swallowed by the template's end, so there words stand without it.
    tokenizer = piece_tokenizer([*WORDS, *spaced(WORDS), *(f"! {word}" for word in WORDS)])
    both = {"a": Template("{x}-{y}"), "b": Template("{x}!{y}")}
    found = common_pairs(task_of(30), tokenizer, both, "a-model")
    assert found.spaced == {"a": True, "b": False}
    assert [pair.answer for pair in found.pairs.pairs] == WORDS[:30]


def test_too_few_common_pairs_are_refused() -> None:
    lost = [f"-> {word}" for word in WORDS[:8]] + [f": {word}" for word in WORDS[8:16]]
    tokenizer = piece_tokenizer([*spaced(WORDS), *lost])
    for name, one in TEMPLATES.items():
        assert len(common_pairs(task_of(30), tokenizer, {name: one}, "a").pairs.pairs) == 22
    with pytest.raises(UsageError, match=r"14 of 30 pairs .* templates example, mine; at least 20"):
        common_pairs(task_of(30), tokenizer, TEMPLATES, "a-model")


def test_each_template_gets_its_spelling_and_the_main_one_all_dummy_queries() -> None:
    foreign = [("e", "f")] * len(EPISODES)
    found = under_templates(EPISODES, foreign, {"a": True, "b": False, "c": True}, "b", 1)
    assert found["b"] == [replace(one, dummy_queries=("c", "d", "e", "f")) for one in EPISODES]
    plain = Episode("t", "dev", (("a", "b"),), "q", ("one", "two"), ("c", "d"))
    spelt = Episode("t", "dev", ((" a", " b"),), " q", (" one", " two"), (" c", " d"))
    assert (respelled(plain, False), respelled(plain, True)) == (plain, spelt)
    first = [replace(one, dummy_queries=("c",)) for one in EPISODES]
    assert found["a"] == found["c"] == [respelled(one, True) for one in first]


def test_foreign_words_are_inputs_of_the_other_task_and_not_of_this_one() -> None:
    for task in packaged_tasks().values():
        assert foreign_task(task).category != task.category
    other = foreign_task(custom())
    own = custom(*(pair.input for pair in other.pairs[:-30]))
    left = {pair.input for pair in other.pairs[-30:]}
    drawn = foreign_queries(own, other, EPISODES, 4, 0)
    assert len(drawn) == len(EPISODES)
    assert all(len(set(words)) == 4 and left.issuperset(words) for words in drawn)
    assert len(set(drawn)) > 30
    assert foreign_queries(own, other, EPISODES, 4, 1) != drawn
    task = custom()
    one_known_draw = foreign_queries(task, foreign_task(task), EPISODES[:2], 2, 0)
    assert one_known_draw == ONE_DRAW


def custom(*inputs: str) -> Task:
    return Task("mine", "custom", "", "exact", tuple(Pair(x, ("y",)) for x in inputs), "")


def spaced(words: Iterable[str]) -> list[str]:
    return [f" {word}" for word in words]
