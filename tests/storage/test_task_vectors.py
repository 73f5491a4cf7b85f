import time
from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch
import torch

from tests.helpers.example_store import IDENTITY, MADE, RESULT, ROWS
from tvsight.errors import UsageError
from tvsight.storage.store import DamagedResult, Result, Store
from tvsight.storage.task_vectors import TaskVectors, part
from tvsight.writing import FRESH_NS

MODEL, TASK = RESULT.identity["model"], RESULT.identity["task"]
DEV = torch.arange(2 * 6 * 4).reshape(2, 6, 4).half()
TEST = (torch.arange(3 * 6 * 4).reshape(3, 6, 4) - 30).half()
WHOLE = {"dev": DEV, "test": TEST}


def stored(folder: Path, vectors: dict[str, torch.Tensor]) -> TaskVectors:
    store = Store(folder)
    store.save(RESULT, ROWS, vectors, MADE)
    assert store.holds(RESULT, with_vectors=True)
    return TaskVectors(store, {(MODEL, TASK): RESULT.path})


@pytest.fixture(params=["all", "a part"])
def vectors(request: pytest.FixtureRequest, tmp_path: Path) -> TaskVectors:
    return stored(tmp_path, WHOLE if request.param == "all" else part(WHOLE, 2))


def test_both_forms_give_the_same_vectors(vectors: TaskVectors) -> None:
    mean = (DEV[0].float() + DEV[1].float()) / 2
    torch.testing.assert_close(vectors.mean(MODEL, TASK), mean, rtol=0, atol=0)
    assert (vectors.after(2, MODEL, TASK) == TEST[:, 2].float().numpy()).all()
    for split, of_split in WHOLE.items():
        norms = of_split.float().square().sum(dim=-1).sqrt()
        torch.testing.assert_close(vectors.norms(MODEL, TASK, split), norms)


def test_distances_need_all_vectors(tmp_path: Path) -> None:
    origin = torch.ones(6, 4)
    found = stored(tmp_path / "all", WHOLE)
    for split, of_split in WHOLE.items():
        wanted = (of_split.float() - 1).square().sum(dim=-1).sqrt()
        torch.testing.assert_close(found.distances(MODEL, TASK, split, origin), wanted)
    with pytest.raises(UsageError, match=f"Of {TASK} only the vectors that figures need"):
        stored(tmp_path / "a part", part(WHOLE, 2)).distances(MODEL, TASK, "dev", origin)


def test_a_part_has_no_other_block(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"after block 2 are stored, not after 3.*--layer 2"):
        stored(tmp_path, part(WHOLE, 2)).after(3, MODEL, TASK)


@pytest.mark.parametrize("block", [-1, 6, True])
def test_a_block_that_is_not_there_is_refused(tmp_path: Path, block: int) -> None:
    with pytest.raises(UsageError, match="blocks 0 to 5"):
        stored(tmp_path, WHOLE).after(block, MODEL, TASK)
    with pytest.raises(UsageError, match="blocks 0 to 5"):
        part(WHOLE, block)


def test_a_part_of_a_part_is_the_same_part() -> None:
    once = part(WHOLE, 2)
    assert part(once, 3) is once


@pytest.mark.parametrize(
    "spoilt",
    [
        {"mean": torch.zeros(5, 4).half()},
        {"at_2": torch.zeros(2, 4).half()},
        {"at_2": torch.zeros(3, 5).half()},
        {"dev_norms": torch.zeros(2, 5)},
        {"test_norms": torch.zeros(3, 6).half()},
        {"mean": torch.zeros(6, 4)},
        {"at_3": torch.zeros(3, 4).half()},
        {"dev": DEV},
    ],
    ids=lambda spoilt: "-".join(f"{name}{list(of.shape)}{of.dtype}" for name, of in spoilt.items()),
)
def test_a_part_of_another_form_is_damaged(tmp_path: Path, spoilt: dict[str, torch.Tensor]) -> None:
    store = Store(tmp_path)
    store.save(RESULT, ROWS, part(WHOLE, 2) | spoilt, MADE)
    with pytest.raises(DamagedResult, match=r"vectors\.safetensors"):
        store.holds(RESULT)


def test_a_file_is_opened_once_for_all_means_and_norms_and_once_for_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    results = {task: Result(IDENTITY | {"task": task}) for task in ("one", "two", "three")}
    for number, result in enumerate(results.values()):
        store.save(result, ROWS, {"dev": DEV + number, "test": TEST}, MADE)
    time.sleep(1.2 * FRESH_NS / 1e9)
    opened: list[str] = []

    def noting(open_file: Any) -> Any:
        def noted(file: Path, *rest: Any, **options: Any) -> Any:
            opened.append(file.parent.name.partition("-")[0])
            return open_file(file, *rest, **options)

        return noted

    for owner, name in ((safetensors, "safe_open"), (safetensors.torch, "load_file")):
        monkeypatch.setattr(owner, name, noting(getattr(owner, name)))
    paths = {(MODEL, task): result.path for task, result in results.items()}
    for _ in range(2):  # as analyses do that follow each other
        vectors = TaskVectors(store, paths)
        for task in results:
            means = [vectors.mean(MODEL, other) for other in results]
            norms = [vectors.norms(MODEL, task, split) for split in WHOLE]
            for value in (*means, *norms):
                value.zero_()  # whoever gets it may change it
    assert opened == list(results)
    torch.testing.assert_close(vectors.mean(MODEL, "two"), DEV.float().mean(dim=0) + 1)
    for _ in range(2):
        for task in results:
            after = vectors.after(2, MODEL, task)
            assert (after == TEST[:, 2].float().numpy()).all()
            after[:] = 0  # whoever gets it may change it
    assert opened == [*results, *results]
    store.save(results["two"], ROWS, {"dev": DEV - 1, "test": TEST}, MADE)
    torch.testing.assert_close(vectors.mean(MODEL, "two"), DEV.float().mean(dim=0) - 1)
    assert opened == [*results, *results, "two"]
