"""docs/families.md: what the tests prove about each architecture, from their parametrisation.

`python -m tests.helpers.families` writes it.
"""

import contextlib
import io
import sys
from collections.abc import Mapping, Sequence

import pytest

from tests.helpers.commands import ROOT
from tests.helpers.tiny_models import FAMILIES

PAGE = ROOT / "docs" / "families.md"
FOLDERS = ("tests/interventions", "tests/methods", "tests/library")
HEAD = """# What the tests prove about each architecture

Each architecture is a tiny model with random weights, of the class that transformers has for it. A
column is a file of tests, and a number is how many of its tests run on the architecture. *The
reference* is an implementation with plain PyTorch hooks, one prompt at a time, that shares no code
with tvsight. `python -m tests.helpers.families` makes this page from the parameters of the tests,
and a test compares.
"""

Families = Mapping[str, set[str]]
"""By test, as a sentence: the families that it runs on."""


class Collector:
    """Receives what pytest collects."""

    def __init__(self) -> None:
        self.items: Sequence[pytest.Item] = ()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = session.items


def tests_by_file() -> dict[str, Families]:
    """The tests that run on families, by file from the root of the repository."""
    collector = Collector()
    options = ["--collect-only", "-q", "-n0", "-m", "", "-p", "no:cacheprovider"]
    with contextlib.redirect_stdout(io.StringIO()):
        code = pytest.main([*options, *(str(ROOT / folder) for folder in FOLDERS)], [collector])
    assert code == 0, f"the tests cannot be collected: exit code {code}"
    found: dict[str, dict[str, set[str]]] = {}
    for item in collector.items:
        assert isinstance(item, pytest.Function)
        values = item.callspec.params.values() if hasattr(item, "callspec") else ()
        families = {value for value in values if isinstance(value, str) and value in FAMILIES}
        if families:
            tests = found.setdefault(item.path.relative_to(ROOT).as_posix(), {})
            sentence = item.originalname.removeprefix("test_").replace("_", " ")
            tests.setdefault(sentence, set()).update(families)
    return dict(sorted(found.items()))


def page() -> str:
    """The text of docs/families.md."""
    files = tests_by_file()
    names = [file.removeprefix("tests/").replace("/test_", "/")[:-3] for file in files]
    table = [row("", *names), row("---", *["---:"] * len(names))]
    for family in FAMILIES:
        counts = [sum(family in on for on in tests.values()) for tests in files.values()]
        table.append(row(f"`{family}`", *(str(count or "") for count in counts)))
    parts = [HEAD, *table]
    for name, (file, tests) in zip(names, files.items(), strict=True):
        together = set().union(*tests.values())
        parts += ["", f"## {name}", "", f"[{file}](../{file}) proves:", ""]
        for sentence, families in tests.items():
            less = "" if families == together else f" ({', '.join(sorted(families))})"
            parts.append(f"- {sentence}{less}")
    return "\n".join(parts) + "\n"


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(page())
    else:
        PAGE.write_text(page(), encoding="utf-8")
