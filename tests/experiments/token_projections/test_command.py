import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from tests.helpers.commands import Finished, analysis
from tests.helpers.hostile import raw

pytestmark = pytest.mark.slow

SMALL = ("--episodes-per-split", "4", "--shots", "3")
TASKS = ("to_upper", "prev_letter")
DRAWN = {
    *(
        f"tables/token_projections{part}.{e}"
        for part in ("", "_ranks")
        for e in ("csv", "md", "tex")
    ),
    *(
        f"figures/token_projections{part}.{kind}"
        for part in ("", "_overview_qwen2", *(f"_{task}_qwen2" for task in TASKS))
        for kind in ("png", "pdf", "caption.md")
    ),
    "tables/token_projections_overview.csv",
}


class Run(NamedTuple):
    """A finished run of two tasks."""

    options: tuple[str | Path, ...]
    results: Path
    process: Finished


@pytest.fixture(scope="module")
def finished(
    tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Run:
    folder = tmp_path_factory.mktemp("run")
    options = ("--model", tiny_checkpoint("qwen2"), "--tasks", ",".join(TASKS), *SMALL)
    saved = ("--save-episodes", folder / "episodes.jsonl")
    results = ("--results", folder / "results")
    process = analysis("token_projections", *options, *results, *saved)
    return Run(options, folder / "results", process)


def test_a_run_measures_what_it_needs_and_draws_it(finished: Run) -> None:
    process = finished.process
    assert (process.returncode, process.stderr) == (0, "")
    for experiment in ("main_results", "token_projections"):
        assert f"qwen2, {experiment}: 0 of 2 are in the store, 2 to do" in process.stdout
    line = r"^to_upper: best answers at rank \d+ after block \d, “upper” at rank \d+ .*, “capital” "
    assert re.search(line, process.stdout, re.MULTILINE)
    assert set(re.findall(r"^Wrote (.+)$", process.stdout, re.MULTILINE)) == {
        str(finished.results / name) for name in DRAWN
    }
    assert all((finished.results / name).stat().st_size > 0 for name in DRAWN)


def test_episodes_are_saved_though_two_experiments_run(finished: Run) -> None:
    lines = (finished.results.parent / "episodes.jsonl").read_text().splitlines()
    assert sum('"query"' in line for line in lines) == 2 * 8


def test_an_identity_names_all_that_changes_a_number(finished: Run) -> None:
    (manifest,) = finished.results.glob("token_projections/qwen2/to_upper-*/manifest.json")
    identity = json.loads(manifest.read_text())["identity"]
    expected = {"words": ["upper", "capital"], "top": 100, "draws": 8, "draw_seed": 0}
    assert {name: identity[name] for name in expected} == expected


def test_a_redraw_gives_the_same_bytes(finished: Run, tmp_path: Path) -> None:
    for experiment in ("main_results", "token_projections"):
        shutil.copytree(finished.results / experiment, tmp_path / experiment)
    results = ("--results", tmp_path, "--redraw")
    process = analysis("token_projections", *finished.options, *results)
    assert process.returncode == 0
    for name in DRAWN:
        assert (tmp_path / name).read_bytes() == (finished.results / name).read_bytes()


@pytest.mark.slow
def test_all_tokens_are_shown_harmless(finished: Run, tmp_path: Path) -> None:
    for experiment in ("main_results", "token_projections"):
        shutil.copytree(finished.results / experiment, tmp_path / experiment)
    results = ("--results", tmp_path, "--all-tokens")
    process = analysis("token_projections", *finished.options, *results)
    assert (process.returncode, process.stderr) == (0, "")
    assert raw(process.stdout) == set()
    for name in DRAWN:
        if name.startswith("tables"):
            assert raw((tmp_path / name).read_text()) == set()
    table = pd.read_csv(tmp_path / "tables" / "token_projections.csv", na_filter=False)
    assert not table.loc[table["source"] == "tvsight", "token"].str.isalpha().all()


@pytest.mark.slow
def test_what_a_server_would_see_gives_the_same_rows(finished: Run, tmp_path: Path) -> None:
    shutil.copytree(finished.results / "main_results", tmp_path / "main_results")
    results = ("--results", tmp_path, "--remote-simulated")
    assert analysis("token_projections", *finished.options, *results).returncode == 0
    for path in (tmp_path / "token_projections" / "qwen2").iterdir():
        here = finished.results / path.relative_to(tmp_path) / "rows.parquet"
        pd.testing.assert_frame_equal(pd.read_parquet(path / "rows.parquet"), pd.read_parquet(here))
