from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.helpers.example_rows import swept_rows
from tvsight.errors import UsageError
from tvsight.protocol.vector_sets import at_common_block
from tvsight.storage.store import Store
from tvsight.storage.task_vectors import TaskVectors, part

DEPTH, WIDTH, EPISODES = 4, 3, 4


class Shelf:
    """A store of vectors that were made by hand."""

    def __init__(self, vectors: dict[Path, dict[str, Tensor]]) -> None:
        self._folder = TemporaryDirectory()
        self.root = Path(self._folder.name)
        for path, of_result in vectors.items():
            (self.root / path).mkdir()
            save_file(of_result, self.root / path / "vectors.safetensors")

    def state(self, path: Path) -> dict[str, Path]:
        return {"files": self.root}  # its vectors never change, and are not those of another shelf


def made(number: int) -> dict[str, Tensor]:
    """Vectors that say of which task, episode and block they are."""
    episode, block = torch.meshgrid(torch.arange(EPISODES), torch.arange(DEPTH), indexing="ij")
    test = torch.stack([torch.full_like(block, number), episode, block], dim=-1).half()
    return {"dev": test + 100, "test": test}


def stored(tasks: list[str], block: int | None = None, model: str = "a-model") -> TaskVectors:
    vectors = {Path(task): made(number) for number, task in enumerate(tasks)}
    if block is not None:
        vectors = {path: part(whole, block) for path, whole in vectors.items()}
    paths = {(model, task): Path(task) for task in tasks}
    return TaskVectors(cast(Store, Shelf(vectors)), paths)


@pytest.fixture
def rows() -> pd.DataFrame:
    """Mean dev accuracy is highest after block 2, though either task alone peaks elsewhere."""
    table = pd.concat([swept_rows("one", [1, 4, 3, 0]), swept_rows("two", [0, 1, 3, 4])])
    return table.assign(query=table["episode"].map(lambda episode: f"q{episode % 2}"))


def test_the_common_block_is_where_the_mean_over_tasks_peaks(rows: pd.DataFrame) -> None:
    (found,) = at_common_block(rows, stored(["one", "two"]))
    assert (found.layer, found.depth, found.peak) == (2, DEPTH, 0.75)
    assert "after block 2 of 0–3 (where mean dev accuracy peaks, 0.75)" in found.where
    assert set(found.vectors[:, 2]) == {2}


def test_each_vector_keeps_its_task_and_query(rows: pd.DataFrame) -> None:
    shuffled = rows.sample(frac=1, random_state=0).sort_values("task", kind="stable")
    (found,) = at_common_block(shuffled, stored(["one", "two"]), layer=0)
    assert found.vectors.dtype == np.float64
    assert found.names == ["one", "two"]
    assert found.sizes == "4"
    assert (found.layer, found.peak) == (0, None)
    assert "after block 0 of 0–3 (as asked for)" in found.where
    for vector, task, category, unit in zip(
        found.vectors, found.tasks, found.categories, found.clusters, strict=True
    ):
        assert vector.tolist() == [found.names.index(task), vector[1], 0]
        assert unit == f"{task}\nq{int(vector[1]) % 2}"
        assert category == "custom"


def test_a_part_of_the_vectors_serves_its_own_block_only(rows: pd.DataFrame) -> None:
    (whole,) = at_common_block(rows, stored(["one", "two"]))
    (found,) = at_common_block(rows, stored(["one", "two"], block=2))
    assert np.array_equal(found.vectors, whole.vectors)
    with pytest.raises(UsageError, match=r"after block 2 are stored, not after 1.*--layer 2"):
        at_common_block(rows, stored(["one", "two"], block=2), layer=1)
    with pytest.raises(UsageError, match="Block 4: a-model has blocks 0 to 3"):
        at_common_block(rows, stored(["one", "two"]), layer=4)


def test_every_model_has_its_own_block(rows: pd.DataFrame) -> None:
    other = rows.assign(model="b-model")
    other = other[(other["task"] == "one")]
    both, shelf = pd.concat([rows, other]), stored(["one", "two"])
    shelf.paths |= {("b-model", "one"): Path("one")}
    first, second = at_common_block(both, shelf)
    assert (first.model, first.layer, first.names) == ("a-model", 2, ["one", "two"])
    assert (second.model, second.layer, second.names) == ("b-model", 1, ["one"])
