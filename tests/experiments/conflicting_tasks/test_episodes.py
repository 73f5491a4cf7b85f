from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from tests.helpers.piece_tokenizer import piece_tokenizer
from tvsight.errors import UsageError
from tvsight.experiments.conflicting_tasks import PAPER_PAIRS
from tvsight.experiments.conflicting_tasks.episodes import (
    MIN_QUERIES,
    Conflict,
    check_conflict,
    conflicting_queries,
    pair_name,
    sample_conflicts,
    tasks_of,
)
from tvsight.prompts import Sampling, UsablePairs
from tvsight.prompts.templates import Template
from tvsight.tasks import MatchRule, Pair, Task, task
from tvsight.tasks.matching import Vocabulary

SHOTS, DUMMIES = 3, 2
BARE = Template("{x}->{y}\n")


def own_task(name: str, pairs: list[tuple[str, str]], match: MatchRule = "exact") -> Task:
    made = tuple(Pair(given, tuple(answers.split("|"))) for given, answers in pairs)
    return Task(name, "custom", "", match, made, "")


def known(tokenizer: Any) -> Any:
    """All that is asked of a model."""
    return SimpleNamespace(tokenizer=tokenizer, vocabulary=Vocabulary(tokenizer))


def usable(side: str, count: int, own: int = 6) -> UsablePairs:
    """Inputs x0, x1, ... that both tasks know, and some that only this one knows. The first task
    sets off words by a space, the second does not."""
    space = " " if side == "a" else ""
    words = [f"x{number}" for number in range(count)] + [f"{side}{n}" for n in range(own)]
    pairs = tuple(Pair(space + word, (f"{space}{side}-{word}",)) for word in words)
    return UsablePairs(pairs, side == "a", len(pairs))


def sampling(per_split: int, seed: int = 0) -> Sampling:
    return Sampling(shots=SHOTS, dummy_queries=DUMMIES, per_split=per_split, seed=seed)


def sample(count: int = 24, per_split: int = 6, seed: int = 7, **names: str) -> list[Conflict]:
    both = usable("a", count), usable("b", count)
    queries = list(zip(both[0].pairs[:count], both[1].pairs[:count], strict=True))
    tasks = names.get("a", "a"), names.get("b", "b")
    return sample_conflicts(tasks, both, queries, sampling(per_split, seed))


def test_every_part_comes_from_its_own_task_in_its_own_spacing() -> None:
    conflicts = sample(per_split=60)
    assert [c.patched.split for c in conflicts] == ["dev"] * 60 + ["test"] * 60
    for conflict in conflicts:
        for episode, side, space in (
            (conflict.demonstrated, "a", " "),
            (conflict.patched, "b", ""),
        ):
            answers = {pair.input: pair.answers for pair in usable(side, 24).pairs}
            assert episode.task == side
            assert episode.split == conflict.patched.split
            assert len(episode.demonstrations) == SHOTS
            assert all(answers[x] == (y,) for x, y in episode.demonstrations)
            assert episode.accepted == answers[episode.query] == (f"{space}{side}-{bare(episode)}",)
            asked = [*(x for x, _ in episode.demonstrations), *episode.dummy_queries]
            assert len({episode.query, *asked}) == len(asked) + 1
        assert bare(conflict.demonstrated) == bare(conflict.patched)
        assert conflict.demonstrated.dummy_queries == ()
        assert len(conflict.patched.dummy_queries) == DUMMIES
    shown = {x for c in conflicts for x, _ in c.patched.demonstrations}
    assert shown == {pair.input for pair in usable("b", 24).pairs}


def bare(episode: Any) -> str:
    return episode.query.strip()


def test_dev_and_test_ask_different_queries_equally_often() -> None:
    uses = {
        split: Counter(bare(c.patched) for c in sample(per_split=24) if c.patched.split == split)
        for split in ("dev", "test")
    }
    assert not set(uses["dev"]) & set(uses["test"])
    assert all(set(of_split.values()) == {2} for of_split in uses.values())
    assert sum(map(len, uses.values())) == 24


def test_the_draw_depends_on_names_and_seed_only() -> None:
    assert sample() == sample()
    few, many = sample(), sample(per_split=10)
    assert few == many[:6] + many[10:16]
    others = [sample(seed=8), sample(a="c"), sample(b="c")]
    asked = [[bare(c.patched) for c in conflicts] for conflicts in (few, *others)]
    assert len({tuple(queries) for queries in asked}) == 4
    first = sample()[0]  # stays as it was
    assert first.demonstrated.demonstrations == (
        (" x8", " a-x8"),
        (" a4", " a-a4"),
        (" a1", " a-a1"),
    )
    assert (first.demonstrated.query, first.demonstrated.accepted) == (" x16", (" a-x16",))
    assert first.patched.demonstrations == (("x6", "b-x6"), ("x7", "b-x7"), ("x23", "b-x23"))
    assert (first.patched.query, first.patched.dummy_queries) == ("x16", ("x4", "x19"))


def test_queries_are_inputs_of_both_that_no_token_answers_twice() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    same, equal, partly = "abc"
    first = own_task("one", [(x, "Q") for x in letters if x != "z"], "prefix")
    answers = {same: "Q", equal: "E| Q", partly: "QA"}
    second = own_task("two", [(x, answers.get(x, "E")) for x in letters if x != "y"], "prefix")
    both = UsablePairs(first.pairs, True, 25), UsablePairs(second.pairs, False, 25)
    found = conflicting_queries((first, second), both, known(piece_tokenizer(["QA", " Q"])), BARE)
    # `a` and `b` share an accepted answer, `c` the token Q A, that begins with one and is the other
    assert [one.input for one, _ in found] == list(letters[3:24])
    assert all((one.answer, other.answer) == ("Q", "E") for one, other in found)
    # Those whose answers begin with one token are left out.
    first = own_task("one", [(x, "QA") for x in letters], "prefix")
    second = own_task("two", [(x, "QE" if x in "abc" else "AE") for x in letters], "prefix")
    both = UsablePairs(first.pairs, False, 26), UsablePairs(second.pairs, False, 26)
    found = conflicting_queries((first, second), both, known(piece_tokenizer([])), BARE)
    assert [one.input for one, _ in found] == list(letters[3:])
    # Spaces around an input do not make it another.
    words = [f"w{number}" for number in range(MIN_QUERIES)]
    first = own_task("one", [(f" {word}", " Q") for word in words])
    second = own_task("two", [*((word, "E") for word in words), (" w0", "A")])
    both = UsablePairs(first.pairs, True, 20), UsablePairs(second.pairs, False, 21)
    found = conflicting_queries((first, second), both, known(piece_tokenizer([" Q"])), BARE)
    assert [(one.input, other.input) for one, other in found] == [(f" {w}", w) for w in words]


def test_too_few_queries_or_pairs_are_refused_with_their_number() -> None:
    pairs = [(x, "Q") for x in "abcdefghijklmnopqrs"]
    first, second = own_task("one", pairs), own_task("two", [(x, "E") for x, _ in pairs])
    both = UsablePairs(first.pairs, False, 19), UsablePairs(second.pairs, False, 19)
    with pytest.raises(UsageError, match=r"pair one:two: 19 inputs .* at least 20 are needed"):
        conflicting_queries((first, second), both, known(piece_tokenizer([])), BARE)
    with pytest.raises(UsageError, match=r"pair one:two: 19 inputs of both .* at least 20"):
        check_conflict(first, second, SHOTS, DUMMIES)
    both = usable("a", 3, own=0), usable("b", 3, own=0)
    queries = list(zip(both[0].pairs, both[1].pairs, strict=True))
    with pytest.raises(UsageError, match=r"Task a: 3 demonstrations, 0 dummy queries .* it has 3"):
        sample_conflicts(("a", "b"), both, queries, sampling(1))


def test_pairs_that_can_conflict_and_cannot_are_known_without_a_tokenizer() -> None:
    for demonstrated, patched in (pair.split(":") for pair in PAPER_PAIRS):
        check_conflict(task(demonstrated), task(patched), 5, 2)
        assert tasks_of(pair_name(demonstrated, patched)) == (demonstrated, patched)
    for first, second in (("to_upper", "to_lower"), ("antonyms", "antonyms")):
        with pytest.raises(UsageError, match=f"pair {first}:{second}: 0 inputs of both"):
            check_conflict(task(first), task(second), SHOTS, DUMMIES)
    with pytest.raises(UsageError, match="Task to_upper: 24 demonstrations, 2 dummy queries"):
        check_conflict(task("next_letter"), task("to_upper"), 24, 2)
