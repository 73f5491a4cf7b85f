import warnings
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvsight.errors import Remark, UsageError
from tvsight.prompts.filtering import (
    MIN_PAIRS,
    UsablePairs,
    answer_tokens,
    shared_first_tokens,
    usable_pairs,
)
from tvsight.prompts.templates import Template, template
from tvsight.tasks import MatchRule, Pair, Task
from tvsight.tasks.pairs import USERS

MakeTokenizer = Callable[[Iterable[str]], Any]
EXAMPLE = template("example")
WORDS = [f"w{first}{second}" for first in "abcde" for second in "abcdefgh"]


def task_of(pairs: Iterable[Pair], match: MatchRule = "exact") -> Task:
    return Task("mine", "custom", "", match, tuple(pairs), "")


def one_answer_each(count: int, match: MatchRule = "exact") -> Task:
    return task_of((Pair(f"{i}", (WORDS[i],)) for i in range(count)), match)


def spaced(words: Iterable[str]) -> list[str]:
    return [f" {word}" for word in words]


def usable(task: Task, tokenizer: Any) -> UsablePairs:
    return usable_pairs(task, tokenizer, EXAMPLE, "a-model")


def test_exact_keeps_the_pairs_whose_answer_is_one_token(make_tokenizer: MakeTokenizer) -> None:
    found = usable(one_answer_each(30), make_tokenizer(spaced(WORDS[:25])))
    assert found.pairs == tuple(Pair(f" {i}", (f" {WORDS[i]}",)) for i in range(25))
    assert (found.spaced, found.total) == (True, 30)


def test_too_few_answers_of_a_users_task_name_the_rule_for_longer_ones(
    make_tokenizer: MakeTokenizer,
) -> None:
    pairs = one_answer_each(30).pairs
    own, packaged = (Task("mine", "custom", "", "exact", pairs, origin) for origin in (USERS, ""))
    with pytest.raises(UsageError) as refused:
        usable(own, make_tokenizer([]))
    assert '"match": "prefix"' in str(refused.value)
    with pytest.raises(UsageError, match="0 of 30 pairs have an answer of one token") as refused:
        usable(packaged, make_tokenizer([]))
    assert "prefix" not in str(refused.value)


def test_further_answers_survive_one_by_one(make_tokenizer: MakeTokenizer) -> None:
    pairs = [Pair(f"{i}", (WORDS[i], "rare", WORDS[i + 1])) for i in range(30)]
    pairs.append(Pair("odd", ("rare", WORDS[0])))  # which goes with its usual answer
    found = usable(task_of(pairs), make_tokenizer(spaced(WORDS)))
    assert [pair.answers for pair in found.pairs] == [
        (f" {WORDS[i]}", f" {WORDS[i + 1]}") for i in range(30)
    ]


@pytest.mark.parametrize("by_space", [True, False])
def test_prefix_keeps_every_pair(make_tokenizer: MakeTokenizer, by_space: bool) -> None:
    pieces = spaced(WORDS[:22]) if by_space else WORDS[:22]
    task = one_answer_each(30, "prefix")
    found = usable(task, make_tokenizer(pieces))
    space = " " if by_space else ""
    assert found.pairs == tuple(Pair(f"{space}{i}", (space + WORDS[i],)) for i in range(30))
    assert found.spaced == by_space


@pytest.mark.parametrize(("with_space", "by_space"), [(21, True), (20, False)])
def test_words_are_spaced_unless_that_loses_more_than_three_in_ten(
    make_tokenizer: MakeTokenizer, with_space: int, by_space: bool
) -> None:
    tokenizer = make_tokenizer([*WORDS[:30], *spaced(WORDS[:with_space])])
    found = usable(one_answer_each(30), tokenizer)
    assert found.spaced == by_space
    assert len(found.pairs) == (with_space if by_space else 30)
    assert found.pairs[0].input == (" 0" if by_space else "0")


def test_an_answer_that_takes_the_arrow_away_is_no_answer(make_tokenizer: MakeTokenizer) -> None:
    tokenizer = make_tokenizer(["->", *(f"->{word}" for word in WORDS[:4]), *WORDS])
    found = usable(one_answer_each(30), tokenizer)
    assert [pair.input for pair in found.pairs] == [f"{i}" for i in range(4, 30)]


def test_fewer_than_twenty_pairs_are_refused(make_tokenizer: MakeTokenizer) -> None:
    enough = make_tokenizer(spaced(WORDS[:MIN_PAIRS]))
    assert len(usable(one_answer_each(30), enough).pairs) == 20
    with pytest.raises(
        UsageError, match=r"Task mine with model a-model: 19 of 30 pairs .* at least 20 are needed"
    ):
        usable(one_answer_each(30), make_tokenizer(spaced(WORDS[:19])))


@given(
    st.sets(st.sampled_from([*WORDS[:30], *spaced(WORDS[:30])]), min_size=20),
    st.sampled_from(["example", "arrow", "question"]),
)
def test_whatever_survives_is_one_token_in_its_place(
    make_tokenizer: MakeTokenizer, pieces: set[str], name: str
) -> None:
    tokenizer, chosen = make_tokenizer(sorted(pieces)), template(name)
    try:
        found = usable_pairs(one_answer_each(30), tokenizer, chosen, "a-model")
    except UsageError:
        best = max(len(pieces & set(spaced(WORDS))), len(pieces & set(WORDS)))
        assert best < 20 / 0.7
        return
    for pair in found.pairs:
        prompt = tokenizer(chosen.query(pair.input)).input_ids
        shown = tokenizer(chosen.query(pair.input) + pair.answer).input_ids
        assert shown[:-1] == prompt


def test_answer_tokens_are_what_follows_the_prompt(make_tokenizer: MakeTokenizer) -> None:
    tokenizer = make_tokenizer([" cold", "->", "->x", "yz"])
    tokens = answer_tokens(tokenizer, ["hot->"] * 4, [" cold", " co", "x", "xyz"])
    assert [tokenizer.convert_ids_to_tokens(ids) for ids in tokens] == [
        [" cold"],
        [" ", "c", "o"],
        [],
        [],
    ]
    assert answer_tokens(tokenizer, [], []) == []


def test_an_answer_that_the_tokenizer_cannot_write_is_left_out(
    make_tokenizer: MakeTokenizer,
) -> None:
    tokenizer = make_tokenizer(WORDS)
    for match in ("exact", "prefix"):
        known = one_answer_each(25, match).pairs
        found = usable(task_of([Pair("odd", ("日",)), *known], match), tokenizer)
        assert (found.pairs, found.spaced) == (known, False)
    with pytest.raises(UsageError, match="0 of 30 pairs have an answer that its tokenizer can"):
        usable(task_of((Pair(f"{i}", ("日",)) for i in range(30)), "prefix"), tokenizer)


def test_answers_that_begin_with_the_token_of_a_wrong_one_are_counted(
    make_tokenizer: MakeTokenizer,
) -> None:
    pairs = [
        Pair("a", ("nice",)),
        Pair("b", ("new",)),
        Pair("c", ("new",)),  # the same answer twice is no other
        Pair("d", ("old", "ok")),  # two right ones that begin alike
        Pair("e", ("xx", "noon")),  # a further answer
        Pair("f", ("cold",)),
        Pair("f", ("cold",)),  # a query that is asked twice
    ]
    tokenizer = make_tokenizer(["cold"])
    assert shared_first_tokens(tokenizer, pairs, EXAMPLE) == {"answers": 4, "of": 6}
    whole = make_tokenizer(["nice", "new", "noon"])
    assert shared_first_tokens(whole, pairs, EXAMPLE) == {"answers": 0, "of": 6}
    assert shared_first_tokens(tokenizer, [], EXAMPLE) == {"answers": 0, "of": 0}


def test_a_template_that_doubles_spaces_or_takes_them_away_is_said(
    make_tokenizer: MakeTokenizer,
) -> None:
    task, own = one_answer_each(30), Template("Q:{x}\nA: {y}\n")
    with pytest.warns(Remark, match=r"has a space before \{y\}, .* Write 'Q:\{x\}\\nA:\{y\}\\n'"):
        assert usable_pairs(task, make_tokenizer(spaced(WORDS)), own, "a-model").spaced
    # A tokenizer that joins two spaces, and one space to its word, leaves no answer by itself.
    joining = make_tokenizer([*spaced(WORDS), *(f"  {word}" for word in WORDS)])
    with pytest.raises(UsageError, match=r"0 of 30 pairs .* has a space before \{y\}, where words"):
        usable_pairs(task, joining, own, "a-model")


def test_a_space_in_a_template_whose_words_bring_none_is_not_said(
    make_tokenizer: MakeTokenizer,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = usable_pairs(
            one_answer_each(30), make_tokenizer(WORDS), Template("{x}: {y}\n"), "a-model"
        )
    assert not found.spaced


def test_text_that_is_read_as_a_special_token_is_said(make_tokenizer: MakeTokenizer) -> None:
    tokenizer = make_tokenizer(spaced(WORDS))
    tokenizer.add_special_tokens({"bos_token": "<bos>", "mask_token": "<mask>"})
    task = task_of([Pair("a<mask>b", ("x",)), *one_answer_each(30).pairs])
    with pytest.warns(Remark) as said:
        usable_pairs(task, tokenizer, Template("<bos>{x}->{y}\n"), "a-model")
    read = "which the tokenizer of a-model reads as a special token, not as text"
    assert {str(remark.message) for remark in said} == {
        rf"The template '<bos>{{x}}->{{y}}\n' holds <bos>, {read}; it begins every prompt anyway.",
        f"Task mine: 'a<mask>b': text {read}.",
    }
