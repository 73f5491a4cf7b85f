"""Texts of generated tokens: where an answer ends under a template, and what it says."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tvsight.errors import UsageError, option
from tvsight.prompts.templates import Template, template_name

if TYPE_CHECKING:
    from tvsight.models.loading import Model


def check_separator(template: Template) -> None:
    """Check that the end of an answer can be seen.

    Raises:
        UsageError: when nothing but spaces follows an answer, as between its words.
    """
    if not template.separator.strip(" "):
        raise UsageError(
            f"{option('answer_tokens')}: the template '{template_name(template)}' has nothing but "
            "spaces after {y}, so the end of an answer of several words cannot be seen. Take a "
            "template with a line break or other text there, such as 'in:{x} out:{y}\\n'."
        )


def stop_tokens(model: "Model", template: Template) -> list[int]:
    """The tokens that end an answer, ascending: those that hold the template's separator, and
    special tokens such as the end of a sequence."""
    texts = model.vocabulary.texts
    ends = template.separator
    holding = {token for token, text in enumerate(texts) if ends in text} if ends else set()
    return sorted(holding | set(model.tokenizer.all_special_ids))


def answer_text(model: "Model", tokens: Iterable[int], template: Template) -> str:
    """The answer that generated tokens spell, up to the separator, without white space around it.

    Args:
        tokens: token ids; what is none, such as a negative number, is left out.
    """
    known = range(len(model.vocabulary.texts))
    text: str = model.tokenizer.decode(
        [token for token in tokens if token in known],
        skip_special_tokens=True,
        clean_up_tokenization_spaces=False,
    )
    ends = template.separator
    return (text.partition(ends)[0] if ends else text).strip()
