"""Generated answers end where the template says, and are read up to there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tvsight.errors import UsageError
from tvsight.models.loading import Model, load
from tvsight.prompts import Template, template
from tvsight.prompts.generated import answer_text, check_separator, stop_tokens

EXAMPLE = template("example")


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Callable[[str], Path]) -> Model:
    return load(str(tiny_checkpoint("gpt2")), device="cpu")


def test_tokens_with_the_separator_and_special_ones_stop(model: Model) -> None:
    texts = model.vocabulary.texts
    found = stop_tokens(model, EXAMPLE)
    assert found == sorted(set(found))
    assert model.tokenizer.eos_token_id in found
    breaks = [token for token in found if token not in model.tokenizer.all_special_ids]
    assert breaks
    assert {text for text in texts if "\n" in text} == {texts[token] for token in breaks}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (" hot cold\nexample: big", "hot cold"),
        (" hot", "hot"),
        ("\nexample", ""),
        (" hot cold </s> big", "hot cold  big"),
    ],
)
def test_an_answer_is_cut_at_the_separator(model: Model, written: str, text: str) -> None:
    tokens = model.tokenizer(written, add_special_tokens=False).input_ids
    assert answer_text(model, [*tokens, -1, len(model.tokenizer)], EXAMPLE) == text


@pytest.mark.parametrize("text", ["{x}->{y}", "{x}: {y} "])
def test_a_template_that_does_not_show_the_end_of_an_answer_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--answer-tokens: the template '.*' has nothing but"):
        check_separator(Template(text))
    check_separator(EXAMPLE)
    assert template("question").separator == "\n\n"
