from pathlib import Path

import pytest

from tests.helpers.called_commands import called
from tests.helpers.damages import flip
from tests.helpers.explored import explored_store
from tvsight.cli.report import Options, main
from tvsight.errors import UsageError


def test_a_page_is_written_and_damage_is_named(tmp_path: Path) -> None:
    store = explored_store(tmp_path)
    flip(store.root / next(store.paths()) / "rows.parquet")
    ended = called("report", "--results", tmp_path)
    assert ended.returncode == 1
    assert "Left out: " in ended.stdout
    assert (tmp_path / "report" / "index.html").stat().st_size < 2_000_000


def test_a_file_of_somebody_else_stays_and_a_page_is_replaced(tmp_path: Path) -> None:
    store, foreign = explored_store(tmp_path / "results"), tmp_path / "mine.html"
    for _ in range(2):
        assert main(Options(str(store.root))) == 0
    foreign.write_text("<title>mine</title>")
    with pytest.raises(UsageError, match=r"--output .*did not write mine\.html, which is there"):
        main(Options(str(store.root), str(foreign)))
    assert foreign.read_text() == "<title>mine</title>"
