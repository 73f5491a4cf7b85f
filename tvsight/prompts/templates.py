"""Prompt templates: how a demonstration and a query are written (section 3.1 of the paper)."""

from dataclasses import dataclass

from tvsight.errors import UsageError, nearest, unexpected
from tvsight.tasks.files import is_encodable

TEMPLATES = {
    "example": "example:{x}->{y}\n",
    "arrow": "{x}->{y}\n",
    "question": "Q:{x}\nA:{y}\n\n",
}
"""The named templates; `example` is the paper's. Words are inserted as they stand, so the space
between `->` and an answer, where there is one, belongs to the answer."""


@dataclass(frozen=True)
class Template:
    """A demonstration as text around an input `{x}` and an answer `{y}`."""

    text: str

    def demonstration(self, given: str, answer: str) -> str:
        """One demonstration, with its answer."""
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
    def _parts(self) -> tuple[str, str, str]:
        before, _, rest = self.text.partition("{x}")
        between, _, after = rest.partition("{y}")
        return before, between, after


def template(name: str) -> Template:
    r"""A template by name, or a text of the user's own with one `{x}` and, after it, one `{y}`.

    In a text of one's own `\n` stands for a line break.

    Raises:
        UsageError: for a text without `{x}` and `{y}` in this order, once each.
    """
    if not isinstance(name, str):
        raise unexpected("template", "the name of a template, or a text", name)
    if name in TEMPLATES:
        return Template(TEMPLATES[name])
    if not is_encodable(name):
        raise UsageError(f"The template {name!r} holds bytes that are not UTF-8 text.")
    text = name.replace("\\n", "\n")
    if text.count("{x}") != 1 or text.count("{y}") != 1 or text.index("{x}") > text.index("{y}"):
        raise UsageError(
            f"Unknown template {name!r}.{nearest(name, TEMPLATES)} The named ones are "
            f"{', '.join(TEMPLATES)}; one of your own holds one {{x}} and then one {{y}}, such as "
            "'in:{x} out:{y}\\n'."
        )
    if text.index("{x}") + 3 == text.index("{y}"):
        raise UsageError(f"The template {name!r} needs text between {{x}} and {{y}}, where θ lies.")
    return Template(text)
