import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.helpers.commands import Finished, analysis
from tvsight.cli.analysis import analyse
from tvsight.cli.command import FAILURE_EXIT
from tvsight.errors import UsageError
from tvsight.experiments.vector_clusters import NAME, Options

pytestmark = pytest.mark.slow

TASKS = ("next_letter", "to_upper")
DRAWN = {
    *(
        f"tables/vector_clusters{name}.{kind}"
        for name in ("", "_by_task")
        for kind in ("csv", "md", "tex")
    ),
    "tables/vector_clusters_points.csv",
    "tables/vector_clusters_distances.csv",
    *(f"figures/vector_clusters_qwen2.{kind}" for kind in ("png", "pdf", "caption.md")),
}


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Callable[[str], Path]) -> Path:
    return tiny_checkpoint("qwen2")


@pytest.fixture(scope="module")
def finished(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    results = tmp_path_factory.mktemp("run") / "results"
    return results, run(checkpoint, results)


def run(checkpoint: Path, results: Path, *others: str) -> Finished:
    asked = ("--tasks", ",".join(TASKS), "--shots", "3", "--episodes-per-split", "4")
    where = ("--model", checkpoint, "--results", results)
    return analysis("vector_clusters", *where, *asked, *others, "--verbose")


def options(checkpoint: Path, results: Path, **others: Any) -> Options:
    """The same, for a run in this process."""
    return Options(
        model=(str(checkpoint),),
        results=str(results),
        tasks=",".join(TASKS),
        shots=3,
        episodes_per_split=4,
        **others,
    )


def copied(finished: tuple[Path, Finished], folder: Path) -> Path:
    shutil.copytree(finished[0] / "main_results", folder / "main_results")
    return folder


def test_the_central_comparison_is_measured_with_its_vectors(
    finished: tuple[Path, Finished],
) -> None:
    results, process = finished
    assert (process.returncode, process.stderr) == (0, "")
    assert "qwen2, main_results: 0 of 2 are in the store, 2 to do" in process.stdout
    assert "qwen2, after block " in process.stdout
    assert "By category: one category is all there is." in process.stdout
    for name in DRAWN:
        assert (results / name).stat().st_size > 0
        assert f"Wrote {results / name}" in process.stdout
    points = pd.read_csv(results / "tables" / "vector_clusters_points.csv")
    assert points["task"].tolist() == [task for task in TASKS for _ in range(4)]


@pytest.mark.slow
def test_a_redraw_gives_the_same_bytes_whatever_the_number_of_threads(
    finished: tuple[Path, Finished],
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = []
    for threads in ("2", "3"):  # other than here, so in processes of their own
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        results = copied(finished, tmp_path / threads)
        process = run(checkpoint, results, "--redraw")
        assert (process.returncode, process.stderr) == (0, "")
        written.append({name: (results / name).read_bytes() for name in DRAWN})
    assert written[0] == written[1]


def test_a_block_that_is_not_there_is_refused(
    finished: tuple[Path, Finished], checkpoint: Path, tmp_path: Path
) -> None:
    chosen = options(checkpoint, copied(finished, tmp_path), redraw=True, layer=5)
    with pytest.raises(UsageError, match="Block 5: qwen2 has blocks 0 to 4"):
        analyse(NAME, chosen)
    assert not (tmp_path / "tables").exists()


def test_results_without_vectors_are_named_as_missing(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert analyse("main_results", options(checkpoint, tmp_path, vectors=False)) == 0
    capsys.readouterr()
    assert analyse(NAME, options(checkpoint, tmp_path, redraw=True)) == FAILURE_EXIT
    shown = " ".join(capsys.readouterr().out.split())
    for task in TASKS:
        assert f"Missing: qwen2 / {task}. not in the store with its vectors" in shown


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ({"perplexity": 0.0}, "--perplexity 0.0: more than 0"),
        ({"perplexity": float("nan")}, "--perplexity nan: a finite number"),
        ({"shots": 0}, "--shots 0: at least 1"),
        ({"layer": -1}, "^--layer -1: blocks are numbered from 0"),
    ],
)
def test_what_tsne_cannot_take_is_refused(option: dict[str, float], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Options(**option)
