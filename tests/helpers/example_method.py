"""The method that docs/adding_a_method.md shows."""

import re
from pathlib import Path

from tests.helpers.commands import ROOT

PAGE = ROOT / "docs" / "adding_a_method.md"


def example() -> str:
    """The file that the page shows."""
    (found,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(found)


def write_example(folder: Path) -> Path:
    """The file in a folder."""
    own = folder / "median_state.py"
    own.write_text(example(), encoding="utf-8")
    return own
