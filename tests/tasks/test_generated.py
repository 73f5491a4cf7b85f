import string
from collections import Counter
from collections.abc import Callable

import pytest

from tvsight.tasks import Task, packaged_tasks
from tvsight.tasks.generated import LIST_LENGTHS, capitalised, generated_tasks

TASKS = {task.name: task for task in generated_tasks()}
LOWER, UPPER = string.ascii_lowercase, string.ascii_uppercase
RULES: dict[str, Callable[[str], str]] = {
    "next_letter": lambda x: "a" if x == "z" else chr(ord(x) + 1),
    "prev_letter": lambda x: "z" if x == "a" else chr(ord(x) - 1),
    "to_upper": str.upper,
    "to_lower": str.lower,
    "list_first": lambda x: x.split(",")[0],
    "list_last": lambda x: x.split(",")[-1],
    "list_min": lambda x: sorted(x.split(","), key=int)[0],
    "list_max": lambda x: sorted(x.split(","), key=int)[-1],
}
ITEMS = {
    "list_first": LOWER,
    "list_last": LOWER,
    "list_min": string.digits,
    "list_max": string.digits,
}


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_each_pair_follows_the_rule(task: Task) -> None:
    assert TASKS.keys() == RULES.keys()
    broken = [pair for pair in task.pairs if pair.answers != (RULES[task.name](pair.input),)]
    assert broken == []
    assert (task.category, task.match) == ("algorithmic", "exact")


@pytest.mark.parametrize(
    ("name", "alphabet"),
    [("next_letter", LOWER), ("prev_letter", LOWER), ("to_upper", LOWER), ("to_lower", UPPER)],
)
def test_a_letter_task_asks_about_every_letter_once(name: str, alphabet: str) -> None:
    assert sorted(pair.input for pair in TASKS[name].pairs) == list(alphabet)


@pytest.mark.parametrize("name", ITEMS)
def test_a_list_task_has_different_lists_of_each_length(name: str) -> None:
    lists = [pair.input.split(",") for pair in TASKS[name].pairs]
    assert len(set(map(tuple, lists))) == len(lists) == 600
    lengths = Counter(map(len, lists))
    assert set(lengths) == set(LIST_LENGTHS)
    assert min(lengths.values()) >= 80
    assert {item for items in lists for item in items} == set(ITEMS[name])


@pytest.mark.parametrize(("one", "other"), [("list_first", "list_last"), ("list_min", "list_max")])
def test_two_rules_on_the_same_lists_mostly_disagree(one: str, other: str) -> None:
    left, right = TASKS[one].pairs, TASKS[other].pairs
    assert [pair.input for pair in left] == [pair.input for pair in right]
    same = sum(a.answer == b.answer for a, b in zip(left, right, strict=True))
    assert same < 0.2 * len(left)


def test_the_computed_tasks_are_the_same_every_time() -> None:
    again = {task.name: task.checksum for task in generated_tasks()}
    assert again == {name: task.checksum for name, task in TASKS.items()}
    lists = [pair.input for pair in TASKS["list_first"].pairs[:4]]
    assert lists == ["h,u", "p,a", "u,t,v", "p,l,k"]


def test_a_word_gets_a_capital_and_keeps_the_rest() -> None:
    task = capitalised(["cat", "éclair", "iPod"])
    assert task.name == "capitalize"
    assert [(pair.input, pair.answers) for pair in task.pairs] == [
        ("cat", ("Cat",)),
        ("éclair", ("Éclair",)),
        ("iPod", ("IPod",)),
    ]
    known = packaged_tasks()
    nouns = [pair.input for pair in known["singular_plural"].pairs]
    assert [pair.input for pair in known["capitalize"].pairs] == nouns
    assert [pair for pair in known["capitalize"].pairs if pair.input in pair.answers] == []


def test_the_packaged_words_lose_all_but_their_first_letter() -> None:
    pairs = packaged_tasks()["capitalize_first_letter"].pairs
    assert [pair for pair in pairs if pair.answers != (pair.input[0].upper(),)] == []
    nouns = [pair.input for pair in packaged_tasks()["singular_plural"].pairs]
    assert [pair.input for pair in pairs] == nouns
