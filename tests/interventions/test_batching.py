from collections.abc import Callable, Generator

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from tvsight.interventions.batching import batches, halving, in_order, padded

LENGTHS = st.lists(st.integers(0, 40), max_size=40)


def fits(limit: int) -> Callable[[list[int]], list[int]]:
    """A forward that doubles its rows, on a GPU with room for `limit` of them."""

    def run(rows: list[int]) -> list[int]:
        if len(rows) > limit:
            raise torch.OutOfMemoryError("simulated")
        return [2 * row for row in rows]

    return run


def test_prompts_are_padded_on_the_side_asked_for() -> None:
    prompts = [[5, 6, 7], [8], []]
    ids, mask = padded(prompts, "left")
    assert ids.tolist() == [[5, 6, 7], [0, 0, 8], [0, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1], [0, 0, 0]]
    ids, mask = padded(prompts, "right")
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0], [0, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert (ids.dtype, mask.dtype) == (torch.long, torch.long)


@given(
    st.lists(st.lists(st.integers(0, 99), max_size=6), min_size=1, max_size=6),
    st.sampled_from(["left", "right"]),
)
def test_the_mask_finds_each_prompt_again(prompts: list[list[int]], side: str) -> None:
    ids, mask = padded(prompts, side)
    assert ids.shape == mask.shape == (len(prompts), max(map(len, prompts)))
    assert [row[kept.bool()].tolist() for row, kept in zip(ids, mask, strict=True)] == prompts
    edge = -1 if side == "left" else 0
    assert all(row[edge] == 1 for row, prompt in zip(mask, prompts, strict=True) if prompt)


@given(LENGTHS, st.integers(1, 200), st.sampled_from([0.0, 0.1, 0.5]))
@example([0, 0, 3], 1, 0.5)
def test_batches_cover_each_row_once_within_their_limits(
    lengths: list[int], max_positions: int, max_padding: float
) -> None:
    found = list(batches(lengths, max_positions, max_padding))
    assert sorted(row for batch in found for row in batch) == list(range(len(lengths)))
    for batch in found:
        inside = [lengths[row] for row in batch]
        positions = max(inside) * len(batch)
        assert positions <= max_positions or len(batch) == 1
        assert positions - sum(inside) <= max_padding * positions
        assert min(inside) > 0 or max(inside) == 0


@given(LENGTHS, st.integers(1, 200))
def test_long_rows_come_first_and_equals_in_their_order(
    lengths: list[int], max_positions: int
) -> None:
    rows = [row for batch in batches(lengths, max_positions) for row in batch]
    assert rows == sorted(range(len(lengths)), key=lambda row: -lengths[row])


def test_batches_are_as_full_as_they_may_be() -> None:
    assert list(batches([4] * 7, 12)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batches([9, 20, 10], 40)) == [[1], [2, 0]]
    assert list(batches([9, 20, 10], 60, 0.5)) == [[1, 2, 0]]
    assert list(batches([2, 0, 0], 100, 1.0)) == [[0], [1, 2]]
    assert list(batches([50, 50], 40)) == [[0], [1]]
    assert list(batches([], 40)) == []


@pytest.mark.filterwarnings("ignore:.*do not fit the memory")
@given(st.integers(1, 40), st.integers(1, 40))
def test_halving_covers_all_rows_in_order_where_memory_is_short(count: int, limit: int) -> None:
    rows = list(range(count))
    done = list(halving(fits(limit), rows))
    assert [row for part, _ in done for row in part] == rows
    assert all(result == [2 * row for row in part] for part, result in done)
    assert max(len(part) for part, _ in done) <= limit


@pytest.mark.filterwarnings("ignore:.*do not fit the memory")
def test_one_row_that_does_not_fit_and_other_errors_are_not_met_by_halving() -> None:
    asked: list[list[int]] = []

    def broken(rows: list[int]) -> None:
        asked.append(rows)
        raise ValueError("broken")

    with pytest.raises(torch.OutOfMemoryError, match="simulated"):
        list(halving(fits(0), [1, 2, 3]))
    with pytest.raises(ValueError, match="broken"):
        list(halving(broken, [1, 2]))
    assert asked == [[1, 2]]
    parts = halving(fits(4), [1, 2])
    assert isinstance(parts, Generator)
    assert next(parts) == ([1, 2], [2, 4])
    with pytest.raises(torch.OutOfMemoryError, match="while the result was used"):
        parts.throw(torch.OutOfMemoryError("while the result was used"))


@given(st.permutations(range(9)), st.integers(1, 9))
def test_what_parts_bring_is_put_in_the_order_of_the_rows(rows: list[int], size: int) -> None:
    parts = [rows[start : start + size] for start in range(0, 9, size)]
    found = in_order([(part, torch.tensor(part)) for part in parts], 9)
    assert [int(row) for row in found] == list(range(9))
