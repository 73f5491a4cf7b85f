"""Checks of the rows of methods, of whole answers and of the effects of attention heads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from tests.helpers.damages import set_cell
from tests.helpers.example_rows import task_rows, whole_rows
from tests.helpers.function_vector_rows import EFFECT, effect_rows, method_rows
from tvsight.storage.checks import DamagedResult
from tvsight.storage.contents import HEAD_MEANS, check_rows, check_vectors, read_table, write_table
from tvsight.storage.schemas import schema

Change = Callable[[pd.DataFrame], pd.DataFrame]
DEPTH, HEADS, HEAD_WIDTH = 2, 4, 8
OF_METHOD = {"experiment": "methods", "model": "a-model", "task": "one", "method": "mean_state"}
OF_ANSWERS = {"experiment": "answers", "model": "a-model", "task": "one"}
OF_EFFECTS = {"experiment": "head_effects", "model": "a-model", "task": "one"}


def method() -> pd.DataFrame:
    return method_rows("one", 9)


def answers() -> pd.DataFrame:
    rows = whole_rows()
    unmeasured = (rows["split"] == "dev") & (rows["procedure"] == "icl")
    return rows[(rows["task"] == "one") & ~unmeasured].reset_index(drop=True)


def effects() -> pd.DataFrame:
    return effect_rows("one", EFFECT["one"])


def test_whole_rows_have_a_number_of_blocks() -> None:
    assert check_rows(method(), OF_METHOD) == 6
    assert check_rows(answers(), OF_ANSWERS) == 6
    assert check_rows(effects(), OF_EFFECTS) == DEPTH


METHOD: dict[str, tuple[Change, str]] = {
    "another method": (lambda r: r.assign(procedure="function_vector"), "lack a procedure"),
    "two methods": (set_cell("procedure", "function_vector"), "lack an episode"),
    "one split": (lambda r: r[r["split"] == "dev"], "lack a procedure"),
    "no layer": (lambda r: r.assign(layer=None).astype(r.dtypes), "one twice"),
    "not said": (
        lambda r: r.assign(layer_identified=None).astype(r.dtypes),
        "layer_identified is not said",
    ),
    "a block less": (
        lambda r: r[~((r["split"] == "dev") & (r["layer"] == 4))],
        "blocks are missing on dev",
    ),
    "a later block on test": (
        lambda r: r.assign(layer=r["layer"].where(r["split"] == "dev", 6)),
        "blocks are missing on dev, or not one is on test",
    ),
    "two blocks on test": (
        lambda r: pd.concat([r, r[r["split"] == "test"].assign(layer=3)]),
        "not one is on test",
    ),
    "an episode less": (lambda r: r.drop(index=3), "lack an episode"),
}
ANSWERS: dict[str, tuple[Change, str]] = {
    "no number": (
        set_cell("answer_log_probability", -np.inf),
        "answer_log_probability is not a finite",
    ),
    "likelier than its beginning": (
        set_cell("answer_log_probability", -0.2),
        "more probable than its first",
    ),
    "F1 above one": (set_cell("f1", 1.5), "f1 is not a finite number from 0 to 1"),
    "right by half": (lambda r: r.assign(f1=0.5), "F1 is not 1 where an answer is right"),
    "no baseline": (lambda r: r[r["procedure"] != "baseline"], "lack a procedure"),
}
EFFECTS: dict[str, tuple[Change, str]] = {
    "no number": (set_cell("effect", np.nan), "effect is not a finite number from -1 to 1"),
    "infinity": (set_cell("log_effect", -np.inf), "log_effect is not a finite number"),
    "a large effect": (set_cell("effect", 1.5), "effect is not a finite number from -1 to 1"),
    "a probability above one": (
        set_cell("probability", 1.2),
        "probability is not a finite number from 0 to 1",
    ),
    "a head less": (lambda r: r.drop(index=5), "lack one by episode and layer and head"),
    "a head twice": (lambda r: pd.concat([r, r.iloc[[0]]]), "have one twice"),
    "a block less": (lambda r: r[r["layer"] != 0], "lack one by episode and layer and head"),
    "another model": (lambda r: r.assign(model="m"), "of another model"),
}


DAMAGES = {
    f"{identity['experiment']}: {name}": (made, identity, *damage)
    for made, identity, damages in (
        (method, OF_METHOD, METHOD),
        (answers, OF_ANSWERS, ANSWERS),
        (effects, OF_EFFECTS, EFFECTS),
    )
    for name, damage in damages.items()
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named(damage: str) -> None:
    made, identity, spoil, said = DAMAGES[damage]
    with pytest.raises(DamagedResult, match=said):
        check_rows(spoil(made()).reset_index(drop=True), identity)


MEANS = torch.zeros(DEPTH, HEADS, HEAD_WIDTH)


def checked(folder: Path, tensors: dict[str, Any]) -> None:
    file = folder / "vectors.safetensors"
    save_file(tensors, file)
    check_vectors(file, effects(), DEPTH)


def test_rows_and_means_of_heads_are_read_as_they_were_written(tmp_path: Path) -> None:
    checked(tmp_path, {HEAD_MEANS: MEANS})
    write_table(effects(), tmp_path / "rows.parquet")
    pd.testing.assert_frame_equal(
        read_table(tmp_path / "rows.parquet", schema("head_effects")), effects()
    )


@pytest.mark.parametrize(
    "tensors",
    [
        {HEAD_MEANS: MEANS[:1].contiguous()},
        {HEAD_MEANS: MEANS[:, :3].contiguous()},
        {HEAD_MEANS: MEANS[..., 0].contiguous()},
        {HEAD_MEANS: MEANS[..., :0].contiguous()},
        {HEAD_MEANS: MEANS.half()},
        {HEAD_MEANS: MEANS, "dev": MEANS.half()},
        {"dev": MEANS.half(), "test": MEANS.half()},
    ],
    ids=["a block less", "a head less", "flat", "empty", "half precision", "more", "others"],
)
def test_other_means_of_heads_are_damaged(tmp_path: Path, tensors: dict[str, Any]) -> None:
    with pytest.raises(DamagedResult, match=r"does not hold head_means alone|head_means is F"):
        checked(tmp_path, tensors)


@pytest.mark.parametrize(
    ("rows", "dev", "test", "whole"),
    [
        (method(), 1, 1, True),
        (method(), 6, 20, True),
        (method(), 1, 20, False),
        (method(), 6, 1, False),
        (task_rows("one", (1, 2, 3, 4)), 1, 1, False),
    ],
    ids=["of the task", "of episodes", "dev alone", "test alone", "task vectors"],
)
def test_the_vector_of_a_method_may_be_that_of_the_task(
    tmp_path: Path, rows: pd.DataFrame, dev: int, test: int, whole: bool
) -> None:
    file = tmp_path / "vectors.safetensors"
    save_file({"dev": torch.zeros(dev, 6, 4).half(), "test": torch.zeros(test, 6, 4).half()}, file)
    if whole:
        check_vectors(file, rows, 6)
    else:
        with pytest.raises(DamagedResult, match="was expected"):
            check_vectors(file, rows, 6)
