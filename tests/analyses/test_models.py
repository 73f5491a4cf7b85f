from tests.helpers.commands import analysis, cells
from tvsight.models import catalogue


def test_every_model_is_listed_with_its_alias_and_whether_it_can_be_used() -> None:
    process = analysis("models", forked=False)
    assert (process.returncode, process.stderr) == (0, "")
    rows = cells(process)
    assert {row[0]: row[1] for row in rows} == {
        alias: entry.display_name for alias, entry in catalogue().items()
    }
    told = ("usable", "needs", "too large")
    assert [row for row in rows if not row[-1].startswith(told)] == []
    assert "Gemma Terms of" in process.stdout
