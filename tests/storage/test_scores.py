"""Scores in rows: results that lack them are measured again, and keep their vectors."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from tests.helpers.example_store import MADE, RESULT, ROWS, VECTORS, example_store
from tvsight.storage.store import DamagedResult, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that holds `RESULT`."""
    return example_store(tmp_path / "results")


def test_rows_that_lack_scores_are_not_held_where_scores_are_wanted(store: Store) -> None:
    assert not store.holds(RESULT, with_scores=True)
    scored = ROWS.assign(rank=1, answer_gap=0.5, icl_divergence=0.0)
    store.save(RESULT, scored, None, MADE)
    assert store.holds(RESULT, with_vectors=True, with_scores=True)
    pd.testing.assert_frame_equal(store.rows(RESULT.path), scored)


@pytest.mark.parametrize(
    ("column", "value"), [("rank", 0), ("answer_gap", float("inf")), ("icl_divergence", -0.1)]
)
def test_a_score_that_cannot_be_is_damage(store: Store, column: str, value: float) -> None:
    scored = ROWS.assign(rank=1, answer_gap=0.5, icl_divergence=0.0)
    store.save(RESULT, scored.assign(**{column: value}), None, MADE)
    with pytest.raises(DamagedResult, match=f"{column} is not a finite number"):
        store.holds(RESULT)


def test_vectors_stay_where_a_result_is_measured_again_without_them(store: Store) -> None:
    store.save(RESULT, ROWS, None, MADE)
    found = store.vectors(RESULT.path)
    assert all(torch.equal(found[name], VECTORS[name]) for name in VECTORS)
