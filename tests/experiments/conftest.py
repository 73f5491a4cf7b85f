import pytest

from tests.helpers.drafts import draft


@pytest.fixture(autouse=True)
def drafts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are written quickly."""
    draft(monkeypatch)
