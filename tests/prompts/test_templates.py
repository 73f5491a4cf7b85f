import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvsight.errors import UsageError
from tvsight.prompts.templates import ESCAPES, TEMPLATES, Template, template, template_name

PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="{}\\"), max_size=8)
WORD = st.one_of(st.text(max_size=8), st.sampled_from(["{x}", "{y}", "\\n"]))


@pytest.mark.parametrize(
    ("name", "few_shot"),
    [
        ("example", "example: hot-> cold\nexample: up-> down\nexample: big->"),
        ("arrow", " hot-> cold\n up-> down\n big->"),
        ("question", "Q: hot\nA: cold\n\nQ: up\nA: down\n\nQ: big\nA:"),
    ],
)
def test_the_named_templates_write_these_prompts(name: str, few_shot: str) -> None:
    demonstrations = ((" hot", " cold"), (" up", " down"))
    assert template(name).few_shot(demonstrations, " big") == few_shot


@given(PLAIN, PLAIN.filter(bool), PLAIN, WORD, WORD)
def test_words_are_inserted_as_they_stand(
    before: str, between: str, after: str, given: str, answer: str
) -> None:
    own = template(before + "{x}" + between + "{y}" + after)
    assert own.query(given) == before + given + between
    assert own.demonstration(given, answer) == before + given + between + answer + after


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (r"in:{x}\nout:{y}\n\n", "in:{x}\nout:{y}\n\n"),
        (r"{x}\t{y}\r\n", "{x}\t{y}\r\n"),
        (r"{x}\\{y}", "{x}\\{y}"),
        (r"{x}\\n{y}", "{x}\\n{y}"),  # a backslash and the letter n
        (r"{x}\\\n{y}", "{x}\\\n{y}"),  # a backslash and a line break
        ("{x}\n{y}\t", "{x}\n{y}\t"),  # from a shell that has translated them already
    ],
)
def test_escapes_in_a_template_of_ones_own_follow_one_rule(given: str, text: str) -> None:
    assert template(given) == Template(text)


@pytest.mark.parametrize("escape", [r"\s", r"\x41", r"\N", r"\0", "\\"])
def test_a_backslash_that_means_nothing_is_refused(escape: str) -> None:
    with pytest.raises(UsageError, match=r"means nothing\. A backslash is written twice"):
        template("{x}->{y}" + escape)


@given(st.lists(st.sampled_from(["a", " ", "n", "t", *ESCAPES, *ESCAPES.values()])))
def test_the_name_of_a_template_gives_the_template(parts: list[str]) -> None:
    own = Template("{x}->{y}" + "".join(parts))
    assert template(template_name(own)) == own


def test_a_template_has_the_name_that_a_command_line_gives_it() -> None:
    for name in ("example", "arrow", "question", "in:{x} out:{y}\\n"):
        assert template_name(template(name)) == name
    assert template_name(Template("{x}->{y}\n")) == "arrow"


@pytest.mark.parametrize(
    ("text", "where", "better"),
    [
        ("Q:{x}\nA: {y}\n", "{y}", r"Q:{x}\nA:{y}\n"),
        ("in: {x} out: {y}\n", "{x} and {y}", r"in:{x} out:{y}\n"),
        ("{x}->{y} ", "{x}", "{x}->{y}"),
        ("{x} {y}\n", "{y}", r"{x}:{y}\n"),
    ],
)
def test_a_space_where_a_word_brings_its_own_is_said(text: str, where: str, better: str) -> None:
    told = Template(text).spaces
    assert f"has a space before {where}, where words bring their own" in told
    assert told.endswith(f"Write '{better}'.")
    assert Template(template(better).text).spaces == ""


@pytest.mark.parametrize("text", [*TEMPLATES.values(), "in:{x} out:{y}\n", "in:{x}->{y} "])
def test_other_spaces_are_the_templates_own(text: str) -> None:
    assert Template(text).spaces == ""


@pytest.mark.parametrize("text", ["", "{x}->", "->{y}", "{y}->{x}", "{x}->{x}{y}", "{x}->{y}{y}"])
def test_a_text_without_one_x_and_then_one_y_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        template(text)
    message = str(refused.value)
    assert f"Unknown template {text!r}." in message
    assert "example, arrow, question; one of your own holds one {x} and then one {y}" in message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\udcff{x}->{y}", "not UTF-8"),
        ("exmaple", "Did you mean 'example'"),
        ("in:{x}{y}\n", r"needs text between \{x\} and \{y\}"),
    ],
)
def test_another_text_is_refused(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        template(text)


@given(st.text())
def test_any_text_is_a_template_with_room_for_the_state_or_refused(text: str) -> None:
    for tried in (text, f"{text}{{x}}{text}{{y}}"):
        try:
            own = template(tried)
        except UsageError:
            continue
        assert len(own.query("")) < len(own.demonstration("", "")) + 1
        assert own.query("a").endswith(own.text.partition("{x}")[2].partition("{y}")[0])
