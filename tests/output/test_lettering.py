from itertools import pairwise

import pytest

from tvsight.output.lettering import MOST_CHARACTERS, fitting, width, wrapped

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
