"""Every experiment once, in this process: measured on one tiny model, drawn, and drawn again."""

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

from tests.helpers.commands import ROOT
from tvsight.cli import all as everything
from tvsight.config import RunConfig
from tvsight.experiments import EXPERIMENTS
from tvsight.output.plots import Plot
from tvsight.storage.contents import check_rows
from tvsight.storage.manifests import read_manifest

REDRAW = """
import json, sys
import pytest
from tests.helpers.drafts import draft
from tvsight.cli import all as everything
from tvsight.config import RunConfig
draft(pytest.MonkeyPatch())
results, model, small = sys.argv[1:]
code = everything.main(RunConfig(model=(model,), results=results, redraw=True, **json.loads(small)))
print(json.dumps([code, *sys.modules]))
"""
MODEL_CODE = {"torch", "nnsight", "transformers", "tokenizers"}
SMALL = {"tasks": "to_upper,next_letter,list_first", "shots": 2, "episodes_per_split": 3}


class Ended(NamedTuple):
    """What is known of `analyses.all` that has ended."""

    results: Path
    code: int
    printed: str

    def drawn(self) -> dict[str, bytes]:
        """The tables and captions, by the end of their paths."""
        return {
            f"{folder}/{file.name}": file.read_bytes()
            for folder, kind in (("tables", "*"), ("figures", "*.md"))
            for file in (self.results / folder).glob(kind)
        }


def run(results: Path, checkpoint: Path, redraw: bool = False) -> Ended:
    """Make everything, with figures that are drawn and not written: their captions are."""
    chosen = RunConfig(model=(str(checkpoint),), results=str(results), **SMALL, redraw=redraw)
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(Plot, "write", caption)
        code = everything.main(chosen)
    return Ended(results, code, printed.getvalue())


def caption(plot: Plot, folder: Path, name: str, *, command: str, **options: Any) -> list[Path]:
    """Write the caption of a figure alone."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.caption.md"
    file.write_text(plot._as_markdown(command), encoding="utf-8")
    return [file]


@pytest.fixture(scope="module")
def measured(
    tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Ended:
    return run(tmp_path_factory.mktemp("everything"), tiny_checkpoint("llama"))


def test_every_experiment_is_measured_and_drawn(measured: Ended) -> None:
    names = {Path(name).name for name in measured.drawn()}
    for experiment in EXPERIMENTS:
        for kind in (".csv", ".md", ".tex"):
            assert f"{experiment}{kind}" in names, experiment
        assert any(n.startswith(experiment) and n.endswith(".caption.md") for n in names)
    # A random model has too short a window for 16 demonstrations, and no words of some pairs.
    missing = [line for line in measured.printed.splitlines() if line.startswith("Missing: ")]
    assert measured.code == 1
    assert {line.split(":")[1].strip() for line in missing} == {"shots", "conflicting_tasks"}


def test_the_rows_of_every_result_are_whole(measured: Ended) -> None:
    files = list(measured.results.glob("*/*/*/manifest.json"))
    assert len(files) > 2 * len(EXPERIMENTS)
    for file in files:
        rows = pd.read_parquet(file.parent / "rows.parquet")
        path = file.parent.relative_to(measured.results)
        check_rows(rows, read_manifest(measured.results, path)["identity"])
        assert len(rows) > 0


def test_a_second_run_imports_no_code_of_models_and_draws_the_same(
    measured: Ended, tiny_checkpoint: Callable[[str], Path]
) -> None:
    before, folders = measured.drawn(), sorted(measured.results.glob("*/*/*"))
    given = (str(measured.results), str(tiny_checkpoint("llama")), json.dumps(SMALL))
    command = [sys.executable, "-c", REDRAW, *given]
    again = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    code, *modules = json.loads(again.stdout.splitlines()[-1])
    assert (code, MODEL_CODE & {*modules}) == (1, set())
    assert measured.drawn() == before
    assert sorted(measured.results.glob("*/*/*")) == folders
