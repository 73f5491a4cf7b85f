"""The notebooks of `examples/`, made from the scripts beside them.

python -m tests.helpers.notebooks first_look    # with outputs
python -m tests.helpers.notebooks on_ndif --plain
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jupytext
import nbformat

from tests.helpers.commands import ROOT

EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def notebook(script: Path) -> Any:
    """The notebook of a script in the percent format, without outputs."""
    made = jupytext.read(script, fmt="py:percent")
    made.metadata = nbformat.from_dict({"kernelspec": KERNEL})
    for number, cell in enumerate(made.cells):  # else they are random
        cell.id = f"cell-{number}"
        cell.metadata = nbformat.from_dict({})
    return made


def execute(made: Any) -> None:
    """Run a notebook in a folder of its own, which is left empty."""
    from nbclient import NotebookClient

    with TemporaryDirectory() as folder:
        client = NotebookClient(made, resources={"metadata": {"path": folder}}, timeout=3600)
        client.execute()
    for cell in made.cells:
        cell.metadata.pop("execution", None)  # the times
        if cell.cell_type == "code":  # warnings have paths of this machine
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]


def changed(script: Path, changes: dict[str, str]) -> str:
    """The source of a script with other values for some of its names."""
    lines = script.read_text(encoding="utf-8").splitlines()
    for name, value in changes.items():
        (number,) = (i for i, line in enumerate(lines) if line.startswith(f"{name} = "))
        lines[number] = f"{name} = {value}"
    return "\n".join(lines)


if __name__ == "__main__":
    name, *plain = sys.argv[1:]
    result = notebook(EXAMPLES / f"{name}.py")
    if not plain:
        execute(result)
    nbformat.write(result, EXAMPLES / f"{name}.ipynb")
