"""The Python of the documents runs, page by page, on a tiny model."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nnsight import TransformersModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.helpers.commands import ROOT
from tests.helpers.fenced import PAGES, python_of
from tvsight.models import EMBEDDED
from tvsight.tasks import packaged_tasks

CHANGES = {
    '"antonyms")': '"to_upper", episodes=6)',
    '["antonyms"]': '["to_upper"], episodes_per_split=6',
    'task="antonyms", ': 'task="to_upper", ',
    'tvsight.read("results")': 'tvsight.read("results", "methods")',
    "progress=True)": 'episodes_per_split=6, shots=2, results="my_results")',
    "shots=3)": 'shots=3, results="my_results")',
    "(11, theta[11])": "(2, theta[2])",
    "(11, theta.values[11])": "(2, theta.values[2])",
}
"""To what a tiny model measures in a second."""
WITH_PYTHON = [page for page in PAGES if python_of(page)]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_the_code_runs(
    page: Path,
    tiny_checkpoint: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = python_of(page)
    for shown, tiny in CHANGES.items():
        code = code.replace(shown, tiny)
    assert code.count("antonyms") == code.count("antonyms.")  # names of files
    checkpoint = str(tiny_checkpoint("llama"))
    code = code.replace(f'"{EMBEDDED}"', f'{checkpoint!r}, device="cpu"')
    known: dict[str, Any] = {}
    if page.name == "library.md":
        known["module"] = AutoModelForCausalLM.from_pretrained(checkpoint)
        known["pairs"] = [(of.input, of.answer) for of in packaged_tasks()["to_upper"].pairs]
        known["tokenizer"] = AutoTokenizer.from_pretrained(checkpoint)
    if page.name == "comparison.md":
        known["model"] = TransformersModel(checkpoint, task="text-generation", dispatch=True)
        known |= {"few_shot_prompt": "a->b", "zero_shot_prompt": "a->", "layer": 2}
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "methods").symlink_to(ROOT / "results" / "methods")
    file = tmp_path / "page.py"  # what is traced lies in a file
    file.write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(file), known)
    assert {path.name for path in (tmp_path / "results").iterdir()} == {"methods"}


def test_the_pages_about_the_library_have_code() -> None:
    assert {"README.md", "library.md"} <= {page.name for page in WITH_PYTHON}
