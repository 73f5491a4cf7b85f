from itertools import pairwise

import pytest
from matplotlib import get_data_path
from matplotlib.font_manager import findfont

from tvsight.output.lettering import MOST_CHARACTERS, balanced, fitting, font, width, wrapped

SENTENCE = "The task vector recovers 0.86 of what demonstrations add in three models"


def test_width_grows_with_size_and_weight() -> None:
    assert width("city", 16) == pytest.approx(2 * width("city", 8), rel=0.02)
    assert width("city", 8, bold=True) > width("city", 8)
    assert width("W" * 10, 8) > 2 * width("i" * 10, 8)


@pytest.mark.parametrize("room", [1.0, 2.0, 6.0])
@pytest.mark.parametrize("bold", [False, True])
def test_lines_are_as_full_as_their_room_allows(room: float, bold: bool) -> None:
    lines = wrapped(SENTENCE, room, 8, bold).split("\n")
    assert " ".join(lines) == SENTENCE
    assert all(width(line, 8, bold) <= room for line in lines)
    for line, after in pairwise(lines):
        assert width(f"{line} {after.split()[0]}", 8, bold) > room


def test_paragraphs_stay_and_a_number_keeps_its_sign() -> None:
    assert wrapped("one\ntwo", 5, 8) == "one\ntwo"
    assert wrapped("of the 95 %", width("of the 95", 8), 8) == "of the\n95\u00a0%"
    assert wrapped("unbreakable", 0.1, 8) == "unbreakable"
    assert wrapped("", 1, 8) == ""


@pytest.mark.parametrize("bold", [False, True])
def test_a_text_is_cut_to_its_room(bold: bool) -> None:
    assert fitting("city", 0.5, 6, bold) == "city"
    for text in ("W" * 30, "i" * 60, "Christianity and", "i" * (MOST_CHARACTERS + 1)):
        cut = fitting(text, 0.5, 6, bold)
        assert cut.endswith("…")
        assert text.startswith(cut[:-1])
        assert width(cut, 6, bold) <= 0.5 < width(text[: len(cut)] + "…", 6, bold)


@pytest.mark.parametrize("bold", [False, True])
def test_two_lines_are_balanced_and_break_where_a_clause_ends(bold: bool) -> None:
    room = 0.9 * width(SENTENCE, 8, bold)
    upper, lower = balanced(SENTENCE, room, 8, bold).split("\n")
    assert f"{upper} {lower}" == SENTENCE
    assert abs(width(upper, 8, bold) - width(lower, 8, bold)) < 0.2 * room
    clauses = SENTENCE.replace(" of what", ", of what")
    assert balanced(clauses, room, 8, bold).startswith("The task vector recovers 0.86,\n")


def test_a_break_leaves_no_line_too_long_for_its_room() -> None:
    text = f"{SENTENCE}: so"
    room = width(f"{SENTENCE}:", 8) - 0.01
    assert all(width(line, 8) <= room for line in balanced(text, room, 8).split("\n"))


def test_one_line_and_three_lines_stay_as_they_are_wrapped() -> None:
    for room in (1.0, 6.0):
        assert balanced(SENTENCE, room, 8) == wrapped(SENTENCE, room, 8)


def test_letters_are_those_that_come_with_matplotlib() -> None:
    """Debian has a copy of the font too, from which a PDF would be other bytes."""
    for bold in (False, True):
        assert findfont(font(8, bold)).startswith(get_data_path())
