"""The examples of the documents run."""

import re
from pathlib import Path

import pytest

from tests.helpers.commands import ROOT
from tvsight.models import EMBEDDED

CHANGES = {
    '"antonyms")': '"to_upper", episodes=6)',
    '["antonyms"]': '["to_upper"], episodes_per_split=6',
    'tvsight.read("results")': 'tvsight.read("results", "methods")',
}
"""To what a tiny model measures in a second."""


def code_of(file: Path, heading: str, end: str) -> str:
    """The Python code of a document from a heading on."""
    section = file.read_text(encoding="utf-8").partition(heading)[2].partition(end)[0]
    code = "\n".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))
    for shown, tiny in CHANGES.items():
        code = code.replace(shown, tiny)
    return code


@pytest.mark.parametrize("name", ["docs/library.md", "README.md"])
def test_the_code_runs(
    name: str, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results").symlink_to(ROOT / "results")
    if name == "README.md":
        code = code_of(ROOT / name, "\n## As a library\n", "\n## ")
        code = f'import tvsight\nmodel = tvsight.load("{EMBEDDED}")\n{code}'
        code = code.replace("shots=3)", 'shots=3, results="my_results")')
    else:
        code = code_of(ROOT / name, "# In a notebook\n", "\n## On a server\n")
    assert code.count("antonyms") == code.count("antonyms.")  # names of files
    monkeypatch.chdir(tmp_path)
    tiny = code.replace(f'"{EMBEDDED}"', f'{str(checkpoint)!r}, device="cpu"')
    exec(compile(tiny, name, "exec"), {})
    files = {path.name for path in tmp_path.iterdir()}
    assert files >= {"antonyms.safetensors", "my_results", "results"}
