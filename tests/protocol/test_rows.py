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
