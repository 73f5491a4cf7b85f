import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from scipy.spatial.distance import pdist

from tests.helpers.commands import Finished, analysis
from tvsight.cli.analysis import analyse
from tvsight.experiments.vector_variability import NAME, Options

pytestmark = pytest.mark.slow

TASKS = ("to_upper", "next_letter")
DRAWN = {
    *(f"tables/{NAME}{name}.{kind}" for name in ("", "_variants") for kind in ("csv", "md", "tex")),
    f"tables/{NAME}_histograms.csv",
    *(f"figures/{NAME}_qwen2.{kind}" for kind in ("png", "pdf", "caption.md")),
}


class Run(NamedTuple):
    """A finished run of two tasks."""

    checkpoint: Path
    results: Path
    process: Finished

    def again(self, folder: Path, **others: Any) -> int:
        """The figures from a copy of the results, in this process."""
        shutil.copytree(self.results / "main_results", folder / "main_results")
        chosen = Options(
            model=(str(self.checkpoint),),
            results=str(folder),
            tasks=",".join(TASKS),
            shots=3,
            episodes_per_split=4,
            redraw=True,
        )
        return analyse(NAME, replace(chosen, **others))


@pytest.fixture(scope="module")
def finished(
    tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Run:
    checkpoint = tiny_checkpoint("qwen2")
    results = tmp_path_factory.mktemp("run") / "results"
    asked = ("--tasks", ",".join(TASKS), "--shots", "3", "--episodes-per-split", "4")
    process = analysis(NAME, "--model", checkpoint, "--results", results, *asked, "--verbose")
    return Run(checkpoint, results, process)


def vectors(results: Path, task: str, layer: int) -> np.ndarray:
    (file,) = results.glob(f"main_results/qwen2/{task}-*/vectors.safetensors")
    return load_file(file)["test"][:, layer].astype(float)


def test_the_table_states_the_distances_of_the_stored_vectors(finished: Run) -> None:
    assert (finished.process.returncode, finished.process.stderr) == (0, "")
    for name in DRAWN:
        assert (finished.results / name).stat().st_size > 0
        assert f"Wrote {finished.results / name}" in finished.process.stdout
    table = pd.read_csv(finished.results / "tables" / f"{NAME}.csv").set_index("task")
    assert set(table.index) == {*TASKS, "pooled", "mean of tasks"}
    assert table["vectors"].value_counts().to_dict() == {"as they are": 4, "mean subtracted": 4}
    table = table[table["vectors"] == "as they are"]
    (layer,) = set(table["layer"])
    for task in TASKS:
        expected = pdist(vectors(finished.results, task, layer), "cosine")
        assert table.loc[task, "within_mean"] == pytest.approx(expected.mean(), rel=1e-4)
        assert table.loc[task, "within_pairs"] == len(expected) == 6
        assert table.loc[task, "between_pairs"] == 16
    assert table.loc["pooled", ["within_pairs", "between_pairs"]].tolist() == [12, 16]


@pytest.mark.slow
def test_block_and_distance_are_chosen(finished: Run, tmp_path: Path) -> None:
    euclidean, cosine = tmp_path / "euclidean", tmp_path / "cosine"
    assert finished.again(euclidean, layer=1, distance="euclidean") == 0
    table = pd.read_csv(euclidean / "tables" / f"{NAME}.csv").set_index("task")
    stored = {task: vectors(finished.results, task, 1) for task in TASKS}
    expected = pdist(stored["to_upper"]).mean()
    assert table.loc["to_upper", "within_mean"] == pytest.approx(expected, rel=1e-4)
    assert set(table["vectors"]) == {"as they are"}
    assert finished.again(cosine, layer=1) == 0
    table = pd.read_csv(cosine / "tables" / f"{NAME}.csv").set_index("task")
    table = table[table["vectors"] == "mean subtracted"]
    mean = np.concatenate(list(stored.values())).mean(axis=0)
    expected = pdist(stored["to_upper"] - mean, "cosine").mean()
    assert table.loc["to_upper", "within_mean"] == pytest.approx(expected, rel=1e-4)
    variants = [pd.read_csv(f / "tables" / f"{NAME}_variants.csv") for f in (euclidean, cosine)]
    pd.testing.assert_frame_equal(*variants)
    asked = variants[0].query("variant == 'mean subtracted' and task == 'pooled'")
    assert asked["superiority"].item() == pytest.approx(table.loc["pooled", "superiority"])


@pytest.mark.slow
def test_one_task_says_what_cannot_be_compared(
    finished: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finished.again(tmp_path, tasks="to_upper") == 0
    shown = capsys.readouterr()
    assert "With one task there are no distances to other tasks" in shown.out
    assert shown.err == ""
    table = pd.read_csv(tmp_path / "tables" / f"{NAME}.csv")
    assert table["superiority"].isna().all()
