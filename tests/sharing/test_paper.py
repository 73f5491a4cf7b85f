"""Figures, tables and a paragraph of methods for an article."""

from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.called_commands import called
from tests.helpers.example_store import CURRENT, MADE, ROWS
from tests.helpers.typesetting import NEEDS_LATEX, compiled
from tvsight.output.tables import Wording, write
from tvsight.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store of one result, with a table and a figure."""
    store = Store(tmp_path / "results")
    store.save(CURRENT, ROWS, None, MADE | {"device": "cpu"})
    cells = pd.DataFrame({"Task": ["one"], "Accuracy": ["0.50"]})
    write(store.root / "tables", "main_results", cells, [cells], ["Task"], Wording("A", "B."))
    (store.root / "figures").mkdir()
    (store.root / "figures" / "main_results.pdf").write_bytes(b"%PDF-1.4")
    return store


def test_an_export_holds_what_is_drawn_and_names_what_is_not(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "article"
    for _ in range(2):  # an own one is replaced
        ended = called("results", "export-paper", folder, "--results", store.root)
        assert ended.returncode == 0, ended.stderr
    names = ["main_results.pdf", "main_results.tex", "tvsight.tex"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert "No table of layer_sweep" in ended.stdout
    assert "main_results" not in ended.stdout
    text = (folder / "tvsight.tex").read_text()
    assert "on 1 task." in text
    assert "model-1b" in text
    assert "seeds: 0" in text


def test_a_folder_of_somebody_else_is_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("")
    ended = called("results", "export-paper", tmp_path, "--results", store.root)
    assert ended.returncode == 2
    assert "holds other files" in ended.stderr


@NEEDS_LATEX
def test_an_article_inputs_the_methods(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "article"
    called("results", "export-paper", folder, "--results", store.root)
    assert compiled(folder, r"\input{tvsight.tex}\input{main_results.tex}") == []
