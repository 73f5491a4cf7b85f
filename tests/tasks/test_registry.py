import json
from pathlib import Path

import pytest

from tvsight.errors import Remark, UsageError
from tvsight.tasks import CATEGORIES, PAPER_TASKS, in_order, packaged_tasks, select, task

TABLE_1 = {
    "algorithmic": {"next_letter", "prev_letter", "list_first", "list_last"}
    | {"to_upper", "to_lower"},
    "translation": {"fr_en", "es_en", "en_fr", "en_es"},
    "linguistic": {"present_simple_gerund", "present_simple_past_simple"}
    | {"plural_singular", "antonyms"},
    "knowledge": {"country_capital", "person_language", "location_continent", "location_religion"},
}
ALL = list(packaged_tasks())


def names(selection: str, *task_files: str) -> list[str]:
    return [chosen.name for chosen in select(selection, task_files)]


def task_file(folder: Path, name: str) -> str:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"name": name, "pairs": [["a", "b"]]}))
    return str(path)


def test_the_tasks_of_the_paper_have_their_category() -> None:
    found: dict[str, set[str]] = {}
    for chosen in select("paper"):
        found.setdefault(chosen.category, set()).add(chosen.name)
    assert found == TABLE_1


def test_the_paper_comes_first_and_at_least_fourteen_tasks_follow() -> None:
    assert len(PAPER_TASKS) == 18
    assert ALL[:18] == list(PAPER_TASKS)
    assert len(ALL) - 18 >= 14


def test_tasks_are_ordered_by_category_the_papers_first_and_own_ones_last() -> None:
    known = {name: one.category for name, one in packaged_tasks().items()}
    assert in_order({name: known[name] for name in reversed(PAPER_TASKS)}) == list(PAPER_TASKS)
    given = ("mine", "synonyms", "other", "antonyms", "to_upper", "theirs", "country_currency")
    own = {"mine": "linguistic", "other": "a category", "theirs": "custom"}
    assert in_order({name: own.get(name) or known[name] for name in given}) == [
        *("to_upper", "antonyms", "synonyms", "mine", "country_currency", "theirs", "other")
    ]


@pytest.mark.parametrize("name", ["paper", "all", "knowledge", "antonyms,synonyms"])
def test_a_selection_is_not_the_name_of_one_task(name: str) -> None:
    with pytest.raises(UsageError):
        task(name)


def test_names_are_selected_in_the_order_given_and_once() -> None:
    assert names(" synonyms, antonyms ,synonyms,") == ["synonyms", "antonyms"]
    assert names("paper") == list(PAPER_TASKS)
    assert names("all") == [found.name for found in packaged_tasks().values()] == ALL
    assert task("antonyms") is packaged_tasks()["antonyms"]


@pytest.mark.parametrize("category", [c for c in CATEGORIES if c != "custom"])
def test_a_category_selects_its_tasks(category: str) -> None:
    assert names(category) == [n for n, t in packaged_tasks().items() if t.category == category]
    assert set(names(category)) >= TABLE_1[category]


def test_several_words_add_up() -> None:
    assert names("synonyms,translation,paper") == list(
        dict.fromkeys(["synonyms", *names("translation"), *PAPER_TASKS])
    )


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("antonym", "antonyms"),
        ("Country-Capital", "country_capital"),
        ("linguistics", "linguistic"),
        ("papers", "paper"),
    ],
)
def test_an_unknown_word_is_refused_with_the_nearest_names(word: str, near: str) -> None:
    with pytest.raises(UsageError) as refused:
        select(f"synonyms,{word}")
    message = str(refused.value)
    assert f"Unknown task {word!r}. Did you mean " in message
    assert repr(near) in message
    assert "`python -m analyses.tasks` lists the tasks." in message


@pytest.mark.parametrize("selection", ["", " , ", "none", "custom"])
def test_an_empty_selection_is_refused(selection: str) -> None:
    with pytest.raises(UsageError, match="No task selected"):
        select(selection)


def test_own_tasks_join_the_selection(tmp_path: Path) -> None:
    own = task_file(tmp_path, "mine")
    assert names("synonyms", own) == ["synonyms", "mine"]
    assert names("none", own) == ["mine"]
    assert names("mine,synonyms", own) == ["mine", "synonyms"]
    assert names("custom", own) == ["mine"]
    assert names("all", own) == [*ALL, "mine"]
    assert "mine" not in packaged_tasks()


def test_an_own_task_may_not_take_the_name_of_another(tmp_path: Path) -> None:
    own = task_file(tmp_path, "antonyms")
    with pytest.raises(UsageError, match=r"antonyms\.json: there is a task named 'antonyms'"):
        select("none", [own])
    twice = task_file(tmp_path, "mine")
    with pytest.raises(UsageError, match=r"mine\.json: there is a task named 'mine' already \(of "):
        select("none", [twice, twice])


def test_an_own_task_named_after_its_file_makes_way_for_a_packaged_one(tmp_path: Path) -> None:
    (tmp_path / "capitalize.json").write_text('[{"input": "cat", "output": "Cat"}]')
    (tmp_path / "antonyms.csv").write_text("hot,cold\n")
    files = [str(tmp_path / name) for name in ("capitalize.json", "antonyms.csv")]
    with pytest.warns(Remark) as said:
        chosen = names("capitalize,antonyms-own", *files)
    assert chosen == ["capitalize", "antonyms-own", "capitalize-own"]
    told = f"{files[1]}: there is a packaged task named 'antonyms', so this one is named"
    assert [str(one.message) for one in said][1] == f"{told} 'antonyms-own'."
