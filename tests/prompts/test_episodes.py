from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.commands import ran
from tvsight.errors import UsageError
from tvsight.prompts import Episode, Sampling, UsablePairs, episodes_digest, sample_episodes
from tvsight.prompts.episodes import divided
from tvsight.tasks import Pair

ROOT = Path(__file__).parents[2]
DIGEST = "3783879b3d7ec9a51d4295968e90ade59bb51f584b7f7bbe226aae9e3ee65f03"
PRINT_DIGEST = """
from tvsight.prompts import Sampling, UsablePairs, episodes_digest, sample_episodes
from tvsight.tasks import Pair
pairs = tuple(Pair(f" x{i}", (f" y{i}", f" z{i}")) for i in range(24))
sampling = Sampling(shots=3, dummy_queries=2, per_split=6, seed=7)
print(episodes_digest(sample_episodes("t", UsablePairs(pairs, True, 24), sampling)))
"""


def usable(count: int) -> UsablePairs:
    pairs = tuple(Pair(f" x{i}", (f" y{i}", f" z{i}")) for i in range(count))
    return UsablePairs(pairs, True, count)


def sample(count: int = 24, task: str = "t", per_split: int = 6, seed: int = 7) -> list[Episode]:
    sampling = Sampling(shots=3, dummy_queries=2, per_split=per_split, seed=seed)
    return sample_episodes(task, usable(count), sampling)


def queries(episodes: list[Episode], split: str) -> list[str]:
    return [episode.query for episode in episodes if episode.split == split]


@given(
    shots=st.integers(1, 6),
    dummies=st.integers(1, 3),
    spare=st.integers(0, 20),
    per_split=st.integers(1, 30),
    seed=st.integers(0, 2**32),
)
def test_every_draw_is_fit_to_be_measured(
    shots: int, dummies: int, spare: int, per_split: int, seed: int
) -> None:
    count = shots + dummies + 1 + spare
    sampling = Sampling(shots=shots, dummy_queries=dummies, per_split=per_split, seed=seed)
    episodes = sample_episodes("t", usable(count), sampling)
    answers = {pair.input: pair for pair in usable(count).pairs}
    assert [episode.split for episode in episodes] == ["dev"] * per_split + ["test"] * per_split
    for episode in episodes:
        shown = [x for x, _ in episode.demonstrations]
        inputs = [*shown, *episode.dummy_queries, episode.query]
        assert (len(shown), len(episode.dummy_queries)) == (shots, dummies)
        assert len(set(inputs)) == len(inputs)
        assert all(y == answers[x].answer for x, y in episode.demonstrations)
        assert episode.accepted == answers[episode.query].answers
    assert not set(queries(episodes, "dev")) & set(queries(episodes, "test"))


@given(
    words=st.lists(st.text(min_size=1, max_size=6), min_size=12, max_size=30, unique=True),
    task=st.text(min_size=1),
    seed=st.integers(),
)
def test_any_words_and_names_are_sampled_as_they_stand(
    words: list[str], task: str, seed: int
) -> None:
    pairs = tuple(Pair(word, (word[::-1], "same")) for word in words)
    sampling = Sampling(shots=3, dummy_queries=2, per_split=5, seed=seed)
    episodes = sample_episodes(task, UsablePairs(pairs, True, len(pairs)), sampling)
    assert episodes == sample_episodes(task, UsablePairs(pairs, True, 99), sampling)
    for episode in episodes:
        asked = [*(x for x, _ in episode.demonstrations), *episode.dummy_queries, episode.query]
        assert len(set(asked)) == len(asked) == 6
        assert set(asked) <= set(words)
        assert all(y == x[::-1] for x, y in episode.demonstrations)
        assert episode.accepted == (episode.query[::-1], "same")


@given(count=st.integers(6, 40), per_split=st.integers(1, 60))
def test_queries_are_used_equally_often(count: int, per_split: int) -> None:
    episodes = sample(count, per_split=per_split)
    for split, half in (("dev", count // 2), ("test", count - count // 2)):
        uses = Counter(queries(episodes, split)).values()
        assert len(uses) == min(half, per_split)
        assert max(uses) - min(uses) <= 1 or per_split < half
        assert max(uses) == -(-per_split // half)


def test_another_seed_or_task_draws_other_episodes() -> None:
    halves = [set(queries(sample(per_split=12), "dev"))]
    halves += [set(queries(sample(per_split=12, seed=8), "dev"))]
    halves += [set(queries(sample(per_split=12, task="u"), "dev"))]
    assert all(a != b for a, b in zip(halves, halves[1:] + halves[:1], strict=True))


def test_more_episodes_begin_with_the_fewer() -> None:
    few, many = sample(per_split=6), sample(per_split=20)
    assert few == many[:6] + many[20:26]


def test_demonstrations_and_dummy_queries_come_from_all_other_pairs() -> None:
    episodes = sample(per_split=200)
    every = {pair.input for pair in usable(24).pairs}
    for split in ("dev", "test"):
        chosen = [episode for episode in episodes if episode.split == split]
        assert {x for e in chosen for x, _ in e.demonstrations} == every
        assert {x for e in chosen for x in e.dummy_queries} == every


def test_one_known_draw_stays_as_it_was() -> None:
    first, last = sample()[0], sample()[-1]
    assert first == Episode(
        task="t",
        split="dev",
        demonstrations=((" x9", " y9"), (" x23", " y23"), (" x6", " y6")),
        query=" x15",
        accepted=(" y15", " z15"),
        dummy_queries=(" x21", " x13"),
    )
    assert last == Episode(
        task="t",
        split="test",
        demonstrations=((" x8", " y8"), (" x23", " y23"), (" x12", " y12")),
        query=" x6",
        accepted=(" y6", " z6"),
        dummy_queries=(" x20", " x2"),
    )
    assert episodes_digest(sample()) == DIGEST


def test_another_hash_seed_draws_the_same_episodes() -> None:
    done = ran("-c", PRINT_DIGEST, environment={"PYTHONHASHSEED": "1"})
    assert done.stdout.strip() == DIGEST


@pytest.mark.parametrize(("shots", "dummies"), [(4, 2), (3, 3)])
def test_too_many_shots_are_refused_with_the_numbers(shots: int, dummies: int) -> None:
    sampling = Sampling(shots=shots, dummy_queries=dummies, per_split=5, seed=0)
    with pytest.raises(UsageError) as refused:
        sample_episodes("t", usable(6), sampling)
    message = str(refused.value)
    asked = f"Task t: {shots} demonstrations, {dummies} dummy queries and a query need "
    assert message.startswith(f"{asked}{shots + dummies + 1} pairs; ")
    assert " 6" in message
    assert message.endswith("Lower --shots.")


def test_an_episode_contains_its_inputs_and_not_its_answers() -> None:
    episode = Episode("t", "dev", (("a", "b"),), "c", ("d",), ("e",))
    assert [word for word in "abcdef" if episode.contains(word)] == ["a", "c", "e"]


@pytest.mark.parametrize("count", [26, 100, 191])
def test_pairs_are_divided_as_todd_et_al_do(count: int) -> None:
    pairs = list(usable(count).pairs)
    of_split, shown = divided(pairs, "todd")
    assert [*shown, *of_split["test"], *of_split["dev"]] == pairs
    assert len(shown) == round(0.7 * count)
    assert abs(len(of_split["test"]) - 0.21 * count) <= 1
    assert len(of_split["dev"]) > 0


def test_a_query_is_never_shown_in_that_division() -> None:
    sampling = Sampling(shots=3, dummy_queries=2, per_split=6, seed=0, division="todd")
    episodes = sample_episodes("own", usable(40), sampling)
    shown = {given for episode in episodes for given, _ in episode.demonstrations}
    shown |= {given for episode in episodes for given in episode.dummy_queries}
    assert shown.isdisjoint(episode.query for episode in episodes)
