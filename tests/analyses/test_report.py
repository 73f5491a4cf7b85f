from pathlib import Path

from tests.helpers.commands import analysis
from tests.helpers.damages import flip
from tests.helpers.explored import explored_store


def test_a_page_is_written_and_damage_is_named(tmp_path: Path) -> None:
    store = explored_store(tmp_path)
    flip(store.root / next(store.paths()) / "rows.parquet")
    ended = analysis("report", "--results", tmp_path)
    assert ended.returncode == 1
    assert "Left out: " in ended.stdout
    assert (tmp_path / "report" / "index.html").stat().st_size < 2_000_000
