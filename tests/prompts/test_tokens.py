from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import normalizers

from tvsight.errors import UsageError
from tvsight.prompts.episodes import Episode
from tvsight.prompts.templates import Template, template
from tvsight.prompts.tokens import AVERAGED_OVER, PromptTokens, few_episodes, parts, tokenise
from tvsight.tasks import MatchRule
from tvsight.tasks.matching import Vocabulary

MakeTokenizer = Callable[[Iterable[str]], Any]
PIECES = ["example:", "->", " cold", " hot", " co", " up", "ab", "abc", "ca"]
EXAMPLE = template("example")
WORD = st.text("abc ", min_size=1, max_size=5).filter(str.strip)
EPISODES = st.builds(
    Episode,
    task=st.just("t"),
    split=st.just("dev"),
    demonstrations=st.lists(st.tuples(WORD, WORD), min_size=1, max_size=3).map(tuple),
    query=WORD,
    accepted=st.tuples(WORD),
    dummy_queries=st.lists(WORD, min_size=1, max_size=3).map(tuple),
)


def episode(query: str, *dummies: str, shown: str = "a", accepted: str = " cold") -> Episode:
    return Episode("t", "dev", ((shown, "b"),), query, (accepted,), dummies or ("c",))


@pytest.fixture(scope="session")
def model(make_tokenizer: MakeTokenizer) -> Any:
    tokenizer = make_tokenizer(PIECES)
    return of(tokenizer)


def of(tokenizer: Any, window: int | None = None) -> Any:
    """What prompts need of a model."""
    return SimpleNamespace(
        name="a-model",
        tokenizer=tokenizer,
        vocabulary=Vocabulary(tokenizer),
        decoder=SimpleNamespace(window=window),
    )


def tokens_of(
    model: Any, *episodes: Episode, rule: MatchRule = "exact", template: Template = EXAMPLE
) -> PromptTokens:
    return tokenise(model, episodes, rule, template)


@given(st.lists(EPISODES, min_size=1, max_size=4), st.sampled_from(["example", "arrow"]))
@example([episode("ab", "ab")], "example")
@example([episode("a", "abc", "abcab")], "arrow")
def test_the_parts_join_to_the_prompts_and_share_all_they_can(
    model: Any, episodes: list[Episode], name: str
) -> None:
    chosen = template(name)
    tokens = tokenise(model, episodes, "exact", chosen)
    for index, asked in enumerate(episodes):
        shared = tokens["shared"][index]
        rests = [tokens["query"][index], *tokens["dummies"][index]]
        prompts = [
            model.tokenizer(chosen.few_shot(asked.demonstrations, given)).input_ids
            for given in (asked.query, *asked.dummy_queries)
        ]
        assert [shared + rest for rest in rests] == prompts
        assert min(map(len, rests)) >= 1
        # Longest: one more token would differ, or leave a prompt without a token to be read at.
        assert min(map(len, rests)) == 1 or len({rest[0] for rest in rests}) > 1
        zero_shot = model.tokenizer(chosen.query(asked.query)).input_ids
        assert tokens["zero_shot"][index] == zero_shot


def test_only_plain_lists_of_integers_leave_the_machine(model: Any) -> None:
    def leaves(value: Any) -> set[type]:
        if type(value) is list:
            return set().union(*map(leaves, value))
        return {type(value)}

    tokens = tokens_of(model, episode("ab"), episode("b", "a", "ca"))
    assert type(tokens) is dict
    assert set().union(*(leaves(value) for value in tokens.values())) == {int}


def test_the_averaged_vector_leaves_out_every_episode_with_the_query(model: Any) -> None:
    episodes = [
        episode("q", "x", shown="s"),
        episode("r", "q", shown="s"),  # the first query as a dummy query
        episode("t", "x", shown="q"),  # the first query as a demonstration
        episode("q", "y", shown="s"),  # the first query again
        episode("u", "y", shown="z"),
    ]
    others = tokens_of(model, *episodes)["others"]
    assert others == [[4], [0, 2, 3, 4], [0, 1, 3, 4], [4], [0, 1, 2, 3]]


@given(st.lists(EPISODES, min_size=1, max_size=6))
def test_others_are_exactly_the_episodes_that_do_not_contain_the_query(
    model: Any, episodes: list[Episode]
) -> None:
    others = tokenise(model, episodes, "exact", EXAMPLE)["others"]
    for own, (asked, chosen) in enumerate(zip(episodes, others, strict=True)):
        inputs = [{e.query, *e.dummy_queries, *(x for x, _ in e.demonstrations)} for e in episodes]
        without = [i for i, found in enumerate(inputs) if asked.query not in found]
        assert chosen == (without or [own])


@pytest.mark.parametrize(
    ("most", "sizes"),
    [(None, [120]), (120, [120]), (119, [100, 20]), (99, [50, 50, 20]), (50, [50, 50, 20])],
)
def test_parts_are_what_their_episodes_would_be_alone(
    model: Any, most: int | None, sizes: list[int]
) -> None:
    queries = ["ab", "b", "ca", "abc", "c"]
    episodes = [episode(queries[number % 5], queries[number % 3]) for number in range(120)]
    found = parts(tokens_of(model, *episodes), most)
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    assert all(start % AVERAGED_OVER == 0 for start in starts)
    assert found == [
        tokens_of(model, *episodes[start : start + size])
        for start, size in zip(starts, sizes, strict=True)
    ]


@pytest.mark.parametrize(("rule", "accepted"), [("exact", {" cold"}), ("prefix", {" cold", " co"})])
def test_accepted_tokens_follow_the_rule(model: Any, rule: MatchRule, accepted: set[str]) -> None:
    (found,) = tokens_of(model, episode("ab"), rule=rule)["accepted"]
    assert set(model.tokenizer.convert_ids_to_tokens(found)) == accepted


@pytest.mark.parametrize(
    ("answers", "rule", "accepted"),
    [
        ((" nice",), "prefix", {" "}),  # a space alone
        (("nice",), "prefix", {"n"}),  # one letter
        (("nice", "42", " coal"), "prefix", {"n", "4", " co", "co"}),
        (("nice", " cold"), "exact", {" cold"}),  # the first token is not the answer
        (("日本",), "prefix", set()),  # the tokenizer cannot write it
        (("日",), "exact", set()),
    ],
)
def test_the_first_token_of_each_answer_counts_under_prefix(
    make_tokenizer: MakeTokenizer, answers: tuple[str, ...], rule: MatchRule, accepted: set[str]
) -> None:
    tokenizer = make_tokenizer([*PIECES, "co"])
    own: Any = of(tokenizer)
    asked = Episode("t", "dev", (("a", "b"),), "c", answers, ("ab",))
    (found,) = tokens_of(own, asked, rule=rule)["accepted"]
    assert set(tokenizer.convert_ids_to_tokens(found)) == accepted


@pytest.mark.parametrize("rule", ["exact", "prefix"])
def test_an_answer_that_is_one_token_counts_however_the_tokenizer_spells_it(
    make_tokenizer: MakeTokenizer, rule: MatchRule
) -> None:
    tokenizer = make_tokenizer(PIECES)
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    own: Any = of(tokenizer)
    (found,) = tokens_of(own, episode("ab", accepted=" Cold"), rule=rule)["accepted"]
    assert tokenizer.convert_ids_to_tokens(found) == [" cold"]


def test_an_answer_without_a_token_of_its_own_is_refused(make_tokenizer: MakeTokenizer) -> None:
    joining = of(make_tokenizer(["->", "->x"]))
    with pytest.raises(UsageError) as refused:
        tokens_of(joining, episode("b", accepted="y"), episode("ab", accepted="x"))
    assert "Task t: the answer 'x' has no token of its own after the query 'ab'" in str(
        refused.value
    )


def test_prompts_beyond_the_context_window_are_refused_with_the_numbers(model: Any) -> None:
    asked = [episode("ab", shown="ab" * length) for length in (1, 9, 10)]
    prompts = [EXAMPLE.few_shot(e.demonstrations, x) for e in asked for x in ("ab", "c")]
    longest, *_ = lengths = sorted(len(model.tokenizer(p).input_ids) for p in prompts)[::-1]
    assert tokens_of(of(model.tokenizer, longest), *asked) == tokens_of(model, *asked)
    with pytest.raises(UsageError) as refused:
        tokens_of(of(model.tokenizer, longest - 1), *asked)
    longer = sum(length == longest for length in lengths)
    assert str(refused.value).startswith(
        f"The longest prompt has {longest} tokens, and the context window of a-model is "
        f"{longest - 1} tokens ({longer} of 6 prompts are longer). "
    )
    with pytest.raises(UsageError, match=r"\(1 of 2 prompts is longer\)"):
        tokens_of(of(model.tokenizer, longest), episode("c" * longest))


def test_few_episodes_have_tokens_of_a_small_vocabulary() -> None:
    tensor = torch.ones(3, 4)
    prompts = {"dummies": [[[5], [61, 7]], [[8]], []], "others": [[2, 1]] * 3, "norms": tensor}
    few = few_episodes(prompts, 2, 10)
    assert few.pop("norms").shape == (2, 4)
    assert few == {"dummies": [[[5], [1, 7]], [[8]]], "others": [[0]] * 2}
