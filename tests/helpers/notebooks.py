"""The notebooks of `examples/`, made from the scripts beside them.

python -m tests.helpers.notebooks first_look    # with outputs
python -m tests.helpers.notebooks on_ndif --plain
"""

import sys
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jupytext
import nbformat
from PIL import Image

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
    shrink(made)


def shrink(made: Any) -> None:
    """Leave 64 colours to each picture, which is a third of its bytes."""
    for cell in made.cells:
        for data in (one.get("data", {}) for one in cell.get("outputs", [])):
            if "image/png" in data:
                picture = Image.open(BytesIO(b64decode(data["image/png"]))).convert("RGB")
                few = BytesIO()
                picture.quantize(64).save(few, format="png", optimize=True)
                data["image/png"] = b64encode(few.getvalue()).decode()


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
