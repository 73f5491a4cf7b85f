from tvsight.tasks import PAPER_TASKS
from tvsight.tasks.overlap import word_lists


def test_the_papers_tasks_have_eight_word_lists() -> None:
    groups: dict[str, list[str]] = {}
    for task, first in zip(PAPER_TASKS, word_lists(PAPER_TASKS), strict=True):
        groups.setdefault(first, []).append(task)
    assert list(groups.values()) == [
        ["next_letter", "prev_letter", "to_upper", "to_lower"],
        ["list_first", "list_last"],
        ["fr_en", "es_en", "en_fr", "en_es"],
        ["present_simple_gerund", "present_simple_past_simple"],
        ["plural_singular"],
        ["antonyms"],
        ["country_capital", "location_continent", "location_religion"],
        ["person_language"],
    ]


def test_tasks_of_users_stand_alone_and_repeated_names_together() -> None:
    names = ["own", "en_fr", "other", "fr_en", "own"]
    assert word_lists(names) == ["own", "en_fr", "other", "en_fr", "own"]


def test_tasks_share_a_list_through_others_only_where_those_are_given() -> None:
    places = ["location_continent", "location_religion"]
    assert word_lists(places) == places
    assert set(word_lists([*places, "country_capital"])) == {places[0]}
