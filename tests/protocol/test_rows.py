import pandas as pd
import pytest

from tvsight.errors import MeasurementError
from tvsight.protocol import rows
from tvsight.statistics.intervals import Estimate
from tvsight.storage.schemas import COLUMN_TYPES


def test_accuracies_that_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    row = dict.fromkeys(COLUMN_TYPES, None)
    row |= {"split": "test", "procedure": "icl", "correct": True, "query": "a"}
    wrong = Estimate(0.5, 0.6, 0.7, 1, 1)
    monkeypatch.setattr(rows, "accuracy", lambda correct, queries: wrong)
    with pytest.raises(MeasurementError, match=r"of icl, 0\.5, is outside its interval \[0\.6"):
        rows.frame([row], "a_task", "custom")
    with pytest.raises(MeasurementError, match="no episode"):
        rows.frame([], "a_task", "custom")


def test_a_difference_is_that_of_the_same_episodes_in_any_order() -> None:
    queries = list("aabbcc")
    first = pd.DataFrame(
        {"episode": range(6), "query": queries, "correct": [True] * 4 + [False] * 2}
    )
    second = first.assign(correct=[False] * 3 + [True] + [False] * 2).iloc[::-1]
    found = rows.difference_columns(first, second, "lead")
    assert set(found) == {"lead", "lead_low", "lead_high", "lead_p"}
    assert found["lead"] == pytest.approx(0.5)
    assert found["lead_p"] == 1 / 4
