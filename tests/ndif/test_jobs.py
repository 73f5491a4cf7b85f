"""Other runs than the usual one on a server: another analysis, a task that is cut into jobs and
killed between its rounds, and a job that brings vectors."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.ndif.changes import VECTORS_SENT, Changes, nothing
from tests.ndif.clients import SMALL, Clients, Measured, half_written, settled
from tests.ndif.settings import TINY
from tvsight.execution.ndif.remote import Remote
from tvsight.storage.store import Store

ONE, TWO = "to_upper", "to_upper,next_letter"
OTHERS = {
    "controls": ("--tasks", TWO),
    "token_projections": ("--tasks", TWO),
    "conflicting_tasks": ("--pairs", "next_letter:to_upper", "--methods", "mean_state"),
    "function_vectors": ("--tasks", TWO, "--heads", "3"),
    "heads": ("--tasks", TWO),
    "learned_vectors": ("--tasks", ONE),
    "main_results": ("--tasks", ONE, "--answer-tokens", "3"),
    "shots": ("--tasks", ONE, "--shot-counts", "1,4", "--methods", "mean_state"),
    "steering": ("--tasks", TWO),
    "templates": ("--tasks", ONE, "--templates", "example", "arrow"),
}
"""Analyses that ask a model, and what they ask here."""
CUT = ("--episodes-per-split", "100", "--max-job-episodes", "50")


def begin_aloud(self: Remote, decoder: Any, job: Any, name: str) -> Any:
    print(f"begins {job.function.__name__}", flush=True)
    return _begin(self, decoder, job, name)


_begin = Remote.begin
ALOUD: Changes = {"tvsight.execution.ndif.remote.Remote.begin": begin_aloud}


def test_another_analysis_measures_and_draws_what_a_server_answers(
    clients: Clients, uninterrupted: Measured
) -> None:
    asked = ("--remote", "--model", TINY, "--tasks", TWO, *SMALL)
    done = clients.start("layer_sweep", *asked).finished()
    found = settled(clients, done, TWO, uninterrupted)
    assert {manifest["place"]["kind"] for manifest in found.manifests.values()} == {"NDIF"}
    table = pd.read_csv(clients.results / "tables" / "layer_sweep.csv")
    swept = pd.concat(uninterrupted.rows[task] for task in TWO.split(","))
    swept = swept[(swept["split"] == "dev") & (swept["procedure"] == "task_vector")]
    expected = swept.groupby(["task", "layer"])["correct"].mean()
    assert len(expected) == 2 * swept["layer"].nunique()
    assert table.set_index(["task", "layer"])["accuracy"].to_dict() == expected.to_dict()
    assert (clients.results / "figures" / "layer_sweep.png").exists()
    jobs = done.jobs
    again = clients.start("main_results", *asked).finished()
    assert (again.code, again.jobs, len(jobs)) == (0, [], 2)


@pytest.mark.parametrize(("analysis", "options"), OTHERS.items())
def test_every_analysis_has_the_rows_of_a_run_without_a_server(
    clients: Clients, tmp_path: Path, analysis: str, options: tuple[str, ...]
) -> None:
    """Mean vectors of other tasks go up for some, and episodes of several tasks for others."""
    here = Clients(clients.server, tmp_path / "here")
    small = (*SMALL[:2], *SMALL[4:]) if analysis == "shots" else SMALL  # its counts are its own
    same = ("--model", TINY, *small, *options)
    nothing_drawn: Changes = {f"tvsight.experiments.{analysis}.report.draw": nothing}
    done = clients.start(analysis, "--remote", *same, changes=nothing_drawn).finished()
    simulated = here.start(analysis, "--remote-simulated", *same, changes=nothing_drawn).finished()
    assert (done.code, simulated.code) == (0, 0), done.shown + simulated.shown
    assert clients.records() == {}
    assert half_written(clients.results) == []
    found, expected = (rows_of(one.results) for one in (clients, here))
    assert found.keys() == expected.keys()
    assert found
    for name, rows in found.items():
        assert set(rows["measured_on"]) == {"NDIF"}
        pd.testing.assert_frame_equal(
            *(of.drop(columns="measured_on") for of in (rows, expected[name])), rtol=0, atol=1e-4
        )


def rows_of(results: Path) -> dict[str, pd.DataFrame]:
    """Everything that is stored, by experiment, model and result."""
    store = Store(results)
    return {str(path): store.rows(path) for path in store.paths()}


def test_a_task_in_several_jobs_goes_on_between_its_rounds(
    clients: Clients, tmp_path: Path
) -> None:
    whole = Clients(clients.server, tmp_path / "whole")
    assert whole.run(ONE, *CUT).code == 0
    expected = whole.measured()
    assert len(expected.manifests[ONE]["jobs"]) == 4

    client = clients.begin(ONE, *CUT, changes=ALOUD)
    client.until("begins measure_test")
    assert client.kill(), client.shown()
    before = clients.submitted()
    assert len(before) in (2, 3)
    found = settled(clients, clients.run(ONE, *CUT, changes=ALOUD), ONE, expected)
    jobs = [job["job_id"] for job in found.manifests[ONE]["jobs"]]
    assert jobs[:2] == before[:2]
    assert len(jobs) == 4
    assert found.rows[ONE].groupby(["split", "procedure"])["episode"].nunique().eq(100).all()


def test_a_job_may_bring_vectors(clients: Clients, uninterrupted: Measured) -> None:
    """They arrive as they were sent, in every precision, and are rehearsed like the rest."""
    done = clients.run(ONE, changes=VECTORS_SENT)
    assert done.code == 0, done.shown
    found = clients.measured()
    found.assert_same(uninterrupted, ONE)
    assert len(found.manifests[ONE]["jobs"]) == 2
    assert clients.records() == {}
