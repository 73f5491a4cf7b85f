import unicodedata
from collections.abc import Iterator

import pytest

from tvsight.tasks import Pair, Task, packaged_tasks

TASKS = packaged_tasks()
TRANSLATION = [name for name, task in TASKS.items() if task.category == "translation"]
VERBS = [
    *("present_simple_gerund", "gerund_present_simple", "present_simple_past_simple"),
    *("past_simple_present_simple",),
]
OTHERS = [
    *("antonyms", "synonyms", "plural_singular", "singular_plural", "capitalize"),
    *("capitalize_first_letter", "country_capital", "capital_country", "country_currency"),
    *("person_language", "location_continent", "location_religion", "landmark_country"),
    *("company_product", "sentiment"),
]
PHRASES = [
    *("acronym_expansion", "book_author", "country_money", "date_in_words", "film_director"),
    *("name_last_first", "phrase_plural", "verb_past_perfect"),
]
"""Tasks that are measured in whole answers."""
INVERTIBLE = [task for task in TASKS.values() if task.inverse]
UNITS = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def test_each_task_has_a_short_title_of_its_own() -> None:
    titles = [task.title for task in TASKS.values()]
    assert len(set(titles)) == len(titles) == 49
    assert [title for title in titles if not 0 < len(title) <= 20] == []


def answers_of(name: str) -> dict[str, tuple[str, ...]]:
    return {pair.input: pair.answers for pair in TASKS[name].pairs}


def texts(task: Task) -> Iterator[str]:
    for pair in task.pairs:
        yield from (pair.input, *pair.answers)


def in_words(number: int) -> str:
    if number == 100:
        return "one hundred"
    if number < 20:
        return UNITS[number]
    tens, units = divmod(number, 10)
    return TENS[tens - 2] + (f"-{UNITS[units]}" if units else "")


def test_a_task_has_as_many_pairs_as_the_world_has() -> None:
    least = dict.fromkeys([*TRANSLATION, *VERBS], 500) | dict.fromkeys(OTHERS, 150)
    assert {name for name, count in least.items() if len(TASKS[name].pairs) < count} == set()


@pytest.mark.parametrize(("name", "least"), [("news_topic", 100), ("review_sentiment", 80)])
def test_a_task_of_long_inputs_has_pairs_enough_for_both_halves(name: str, least: int) -> None:
    inputs = [pair.input for pair in TASKS[name].pairs]
    assert len(inputs) >= least
    assert min(len(text.split()) for text in inputs) >= 12
    assert [text for text in inputs if not text.endswith(".")] == []
    assert max(map(len, inputs)) < 250


def test_answers_of_several_words_make_sixty_pairs() -> None:
    for name in PHRASES:
        several = [pair for pair in TASKS[name].pairs if " " in pair.answer]
        assert len(several) >= max(60, 0.9 * len(TASKS[name].pairs)), name
        assert TASKS[name].match == "exact"


def test_one_or_two_different_words_describe_a_task() -> None:
    for task in TASKS.values():
        assert 1 <= len({word.casefold() for word in task.words}) == len(task.words) <= 2, task.name


def test_no_input_is_there_twice_or_in_two_spellings_of_case() -> None:
    for task in TASKS.values():
        inputs = [pair.input for pair in task.pairs]
        assert len(set(inputs)) == len(inputs), task.name
        words = task.category in ("translation", "knowledge", "linguistic")
        if words and task.name != "de_en":
            assert len({given.casefold() for given in inputs}) == len(inputs), task.name


def test_texts_are_clean() -> None:
    dirty = [
        (name, text)
        for name, task in TASKS.items()
        for text in texts(task)
        if text != " ".join(text.split())
        or not text.isprintable()
        or text != unicodedata.normalize("NFC", text)
    ]
    assert dirty == []


def test_accepted_answers_differ() -> None:
    for task in TASKS.values():
        spelt = str if task.name == "en_de" else str.casefold  # Versprechen, versprechen
        repeated = [p for p in task.pairs if len(set(map(spelt, p.answers))) < len(p.answers)]
        assert repeated == [], task.name


def test_answers_do_not_repeat_their_input_and_translations_rarely() -> None:
    for task in TASKS.values():
        same = [pair for pair in task.pairs if pair.input in pair.answers]
        if task.category in ("linguistic", "knowledge"):
            assert same == [], task.name
        if task.name in TRANSLATION:
            assert len(same) <= 0.01 * len(task.pairs), task.name


def test_an_inverse_leads_back() -> None:
    for task in INVERTIBLE:
        assert task.inverse is not None
        assert TASKS[task.inverse].inverse == task.name
        back = answers_of(task.inverse)
        lost = [pair for pair in task.pairs if pair.input not in back[pair.answer]]
        assert lost == [], task.name


def test_the_inverses_are_these() -> None:
    pairs = {frozenset((task.name, task.inverse)) for task in INVERTIBLE}
    inverses = (
        "next_letter:prev_letter to_upper:to_lower en_fr:fr_en en_es:es_en en_it:it_en en_de:de_en "
        "present_simple_gerund:gerund_present_simple plural_singular:singular_plural "
        "present_simple_past_simple:past_simple_present_simple country_capital:capital_country "
        "element_symbol:symbol_element number_word:word_number"
    )
    assert pairs == {frozenset(names.split(":")) for names in inverses.split()}


def test_no_word_is_both_an_antonym_and_a_synonym() -> None:
    synonyms = answers_of("synonyms")
    both = {
        word: shared
        for word, answers in answers_of("antonyms").items()
        if (shared := set(answers) & set(synonyms.get(word, ())))
    }
    assert both == {}


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("sentiment", {"positive", "negative"}),
        ("review_sentiment", {"positive", "negative"}),
        ("news_topic", {"World", "Sports", "Business", "Technology"}),
        ("location_religion", {"Christianity", "Islam", "Hinduism", "Buddhism", "Judaism"}),
        (
            "location_continent",
            {"Africa", "Antarctica", "Asia", "Australia", "Europe", "Oceania"}
            | {"North America", "South America"},
        ),
    ],
)
def test_a_task_of_few_answers_has_no_others_and_no_dominant_one(
    name: str, allowed: set[str]
) -> None:
    usual = [pair.answer for pair in TASKS[name].pairs]
    assert {answer for pair in TASKS[name].pairs for answer in pair.answers} == allowed
    assert max(usual.count(answer) for answer in allowed) <= 0.5 * len(usual)


def test_numbers_are_spelt_by_rule() -> None:
    expected = [Pair(str(number), (in_words(number),)) for number in range(101)]
    assert sorted(TASKS["number_word"].pairs, key=lambda pair: int(pair.input)) == expected


def test_the_elements_are_the_118_with_their_symbols() -> None:
    symbols = [pair.answer for pair in TASKS["element_symbol"].pairs]
    assert len(set(symbols)) == 118
    assert [symbol for symbol in symbols if symbol != symbol.capitalize() or len(symbol) > 2] == []
    known = {"iron": "Fe", "gold": "Au", "tungsten": "W", "sodium": "Na", "oganesson": "Og"}
    found = answers_of("element_symbol")
    assert {name: found[name][0] for name in known} == known


KNOWN: dict[str, dict[str, str]] = {
    "country_capital": {"France": "Paris", "Peru": "Lima", "Australia": "Canberra"},
    "en_fr": {"dog": "chien", "house": "maison"},
    "en_es": {"dog": "perro", "house": "casa"},
    "en_it": {"dog": "cane", "house": "casa"},
    "en_de": {"dog": "Hund", "house": "Haus"},
    "present_simple_past_simple": {"go": "went", "walk": "walked"},
    "present_simple_gerund": {"run": "running", "make": "making"},
    "plural_singular": {"mice": "mouse", "cats": "cat"},
    "antonyms": {"hot": "cold", "big": "small"},
    "location_religion": {"Italy": "Christianity", "Thailand": "Buddhism"},
    "location_continent": {"Canada": "North America", "Algeria": "Africa"},
    "person_language": {"Victor Hugo": "French", "Leo Tolstoy": "Russian"},
    "book_author": {"Emma": "Jane Austen", "Dracula": "Bram Stoker"},
    "country_money": {"Japan": "Japanese yen", "Norway": "Norwegian krone"},
    "name_last_first": {"Victor Hugo": "Hugo, Victor"},
}


def test_known_pairs_are_there() -> None:
    for name, known in KNOWN.items():
        found = answers_of(name)
        assert {given: found[given][0] for given in known} == known
