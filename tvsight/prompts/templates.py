"""Templates of prompts: the text around inputs and answers (section 3.1 of the paper)."""

import re
from dataclasses import dataclass

from tvsight.errors import UsageError, nearest, unexpected
from tvsight.tasks.words import is_encodable

TEMPLATES = {"example": "example:{x}->{y}\n", "arrow": "{x}->{y}\n", "question": "Q:{x}\nA:{y}\n\n"}
"""The named templates; `example` is the paper's. Words are inserted unchanged, so a space between
`->` and an answer belongs to the answer."""


ESCAPES = {r"\n": "\n", r"\t": "\t", r"\r": "\r", r"\\": "\\"}
r"""The escapes in a template of the user's own: `\n` is a line break, `\t` a tab, `\r` a carriage
return, `\\` a backslash. A backslash before any other character is refused."""


@dataclass(frozen=True)
class Template:
    """A demonstration as text around an input `{x}` and an answer `{y}`."""

    text: str

    def demonstration(self, given: str, answer: str) -> str:
        """A demonstration with its answer."""
        before, between, after = self._parts
        return f"{before}{given}{between}{answer}{after}"

    def query(self, given: str) -> str:
        """The zero-shot prompt `x→`: a demonstration cut before its answer."""
        before, between, _ = self._parts
        return f"{before}{given}{between}"

    def few_shot(self, demonstrations: tuple[tuple[str, str], ...], given: str) -> str:
        """The few-shot prompt `S, x→`."""
        return "".join(self.demonstration(x, y) for x, y in demonstrations) + self.query(given)

    @property
    def separator(self) -> str:
        """The text after an answer, which ends it."""
        return self._parts[2]

    @property
    def spaces(self) -> str:
        """A remark on a template with a space where a word brings its own; empty for another."""
        before, between, after = self._parts
        slots = {
            "{x}": before.endswith(" ") or (not before and after.endswith(" ")),
            "{y}": between.endswith(" "),
        }
        if not any(slots.values()):
            return ""
        own = "{x}".join((before.rstrip(" "), between.rstrip(" ") or ":")) + "{y}" + after
        own = template_name(Template(own if before else own.rstrip(" ")))
        where = " and ".join(slot for slot, found in slots.items() if found)
        return (
            f"The template '{template_name(self)}' has a space before {where}, where words bring "
            f"their own: most tokenizers make it a part of the word. Write '{own}'."
        )

    @property
    def _parts(self) -> tuple[str, str, str]:
        before, _, rest = self.text.partition("{x}")
        between, _, after = rest.partition("{y}")
        return before, between, after


def template(name: str) -> Template:
    """A template by its name, or from a text of the user's own.

    The text has one `{x}` and, after it, one `{y}`. Its escapes are those of `ESCAPES`.

    Raises:
        UsageError: for a text without `{x}` and `{y}` in this order, once each, and for another
            escape.
    """
    if not isinstance(name, str):
        raise unexpected("template", "the name of a template, or a text", name)
    if name in TEMPLATES:
        return Template(TEMPLATES[name])
    if not is_encodable(name):
        raise UsageError(f"The template {name!r} holds bytes that are not UTF-8 text.")
    text = _unescaped(name)
    if text.count("{x}") != 1 or text.count("{y}") != 1 or text.index("{x}") > text.index("{y}"):
        raise UsageError(
            f"Unknown template {name!r}.{nearest(name, TEMPLATES)} The named ones are "
            f"{', '.join(TEMPLATES)}; one of your own holds one {{x}} and then one {{y}}, such as "
            "'in:{x} out:{y}\\n'."
        )
    if text.index("{x}") + 3 == text.index("{y}"):
        raise UsageError(f"The template {name!r} needs text between {{x}} and {{y}}, where θ lies.")
    return Template(text)


def template_name(template: Template) -> str:
    """The name of a named template, or the text of another as a command line has it."""
    named = {text: name for name, text in TEMPLATES.items()}
    escapes = str.maketrans({meant: written for written, meant in ESCAPES.items()})
    return named.get(template.text, template.text.translate(escapes))


def _unescaped(text: str) -> str:
    def meant(escape: re.Match[str]) -> str:
        if escape[0] not in ESCAPES:
            raise UsageError(
                f"The template {text!r}: '{escape[0]}' means nothing. A backslash is written "
                "twice; before n, t or r it stands for a line break, a tab or a carriage return."
            )
        return ESCAPES[escape[0]]

    return re.sub(r"\\.?", meant, text, flags=re.DOTALL)
