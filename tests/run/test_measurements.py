"""Several tasks on a server: what is shown, remembered and forgotten, and what ends the run."""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from tests.helpers.other_steps import with_steps
from tests.helpers.tiny_llama import HOST
from tvsight.config import RunConfig
from tvsight.errors import MeasurementError, RefusedError
from tvsight.execution.here import run
from tvsight.execution.jobs import Job
from tvsight.execution.ndif import remote
from tvsight.execution.ndif.client import Answer
from tvsight.execution.ndif.patience import Patience
from tvsight.execution.ndif.remote import Remote
from tvsight.execution.ndif.results import seal
from tvsight.models.loading import Model
from tvsight.output import console
from tvsight.output.console import Display
from tvsight.protocol.central import requests
from tvsight.run.measurements import Measurements, Part, measure
from tvsight.run.outcome import Outcome
from tvsight.run.planning import Request, complete, read_plan
from tvsight.storage.job_records import Records
from tvsight.storage.store import Store

QUEUED, RUNNING = Answer("queued", "", None), Answer("running", "", None)
WRONG = Answer("failed", "ValueError: no", None)
TASKS = "to_upper,next_letter"


class LocalServer:
    """Runs jobs in this process. Each is queued, runs and is done, unless something else is told.

    Attributes:
        seen: what is answered for a job, by its number, before it is done.
    """

    def __init__(self, dtype: str = "float32") -> None:
        self.patience = Patience(poll_s=1.0)
        self.host, self.faults, self.dtype = HOST, list[Any](), dtype
        self.jobs: list[tuple[Any, Job, str]] = []
        self.told: list[str] = []
        self.seen: dict[int, list[Any]] = {}

    def submit(self, model_key: str, content: Any, job_id: str) -> str:
        self.jobs.append(content)
        self.seen.setdefault(len(self.jobs) - 1, [QUEUED, RUNNING])
        return f"j{len(self.jobs) - 1}"

    def job(self, job_id: str) -> Answer:
        number = int(job_id[1:])
        answer = self.seen[number].pop(0) if self.seen[number] else Answer("done", "", job_id)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def result(self, link: str, most: int) -> Any:
        decoder, job, asked = self.jobs[int(link[1:])]
        value = run(decoder, job.function, *job.arguments, progress=None)
        return {"result": seal({"value": value, "dtype": self.dtype, "device": "cpu"}, asked)}

    def tell(self, text: str) -> None:
        self.told.append(text)


class Clock:
    """Time passes when a place waits."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (console, remote):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(remote, "payload", lambda *sent: sent)
    monkeypatch.setattr(remote, "rehearse", lambda *arguments: 0.0)
    return clock


class Run:
    """A run, and its output."""

    def __init__(self, model: Model, results: Path, server: LocalServer, **options: Any) -> None:
        name = str(model.source.location)
        fields = {"model": (name,), "tasks": TASKS, "episodes_per_split": 4, "shots": 3}
        self.config = RunConfig(**{**fields, "results": str(results), **options})
        self.store = Store(results)
        self.store.prepare()
        self.server, self.model, self.outcome = server, model, Outcome()
        self.file = io.StringIO()

    @property
    def shown(self) -> str:
        return self.file.getvalue()

    def requests(self) -> list[Request]:
        asked = requests(read_plan(self.config), self.model.source)
        return complete(asked, self.model.weights, "float32")

    def go(
        self,
        capacity: int = 2,
        terminal: bool = False,
        change: Callable[[Request], Request] = lambda request: request,
    ) -> None:
        client: Any = self.server
        options: dict[str, Any] = {"force_terminal": terminal, "width": 120, "color_system": None}
        display = Display(Console(file=self.file, highlight=False, **options))
        measurements = Measurements(self.config, self.store, self.model, display)
        place = Remote(client, self.store.root, "float32", capacity)
        asked = [change(one) for one in self.requests()]
        measure([(measurements, asked, place)], display, self.outcome)


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch, model: Model) -> None:
    monkeypatch.setattr(type(model.decoder.nn), "to_model_key", lambda self: "model")


@pytest.fixture
def of(model: Model, tmp_path: Path, key: None, clock: Clock) -> Callable[..., Run]:
    def make(server: LocalServer | None = None, **options: Any) -> Run:
        return Run(model, tmp_path / "results", server or LocalServer(), **options)

    return make


def lines(run: Run) -> list[str]:
    """What was told of jobs."""
    return [line for line in run.shown.splitlines() if "(job " in line]


@pytest.mark.parametrize(("capacity", "seconds"), [(1, 6), (2, 5)])
def test_every_state_of_a_job_is_told_with_its_time(
    of: Callable[..., Run], capacity: int, seconds: int
) -> None:
    server = LocalServer()
    server.seen = {0: [QUEUED] * 3 + [RUNNING] * 2, 1: [QUEUED] * 7 + [WRONG]}
    run = of(server)
    run.go(capacity)
    assert [line for line in lines(run) if "j0" in line] == [
        "to_upper: queued (job j0)",
        "to_upper: running (job j0, queued for 0:00:02)",
        "to_upper: done (job j0, running for 0:00:02)",
    ]
    assert [line for line in lines(run) if "j1" in line] == [
        "next_letter: queued (job j1)",
        f"next_letter: failed (job j1, queued for 0:00:0{seconds})",
    ]


def test_a_job_that_is_submitted_again_is_told_so(
    of: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "pause", lambda attempt: 5.0)
    server = LocalServer()
    busy = Answer("failed", "Please try again later.", None)
    server.seen = {0: [RUNNING, RUNNING, RUNNING, busy]}
    run = of(server, tasks="to_upper")
    run.go()
    assert lines(run) == [
        "to_upper: running (job j0)",
        "to_upper: failed (job j0, running for 0:00:02)",
        "to_upper: queued (job j1)",
        "to_upper: running (job j1, queued for 0:00:02)",
        "to_upper: done (job j1, running for 0:00:01)",
    ]


def test_a_terminal_has_a_table_of_jobs_with_those_that_ended(
    of: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    tables: list[dict[Any, float]] = []
    jobs = Display.jobs

    def noted(self: Display, rows: Any) -> None:
        jobs(self, rows)
        tables.append(dict(self._jobs))

    monkeypatch.setattr(Display, "jobs", noted)
    server = LocalServer()
    server.seen = {0: [RUNNING] * 2, 1: [QUEUED] * 4 + [WRONG]}
    run = of(server)
    run.go(terminal=True)
    assert re.search(r"Task +State +For +Job", run.shown)
    states = [{(state, job) for _, state, job in table} for table in tables]
    assert {("done", "j0"), ("queued", "j1")} in states
    assert states[-1] == {("done", "j0"), ("failed", "j1")}
    done = ("to_upper", "done", "j0")
    assert {table[done] for table in tables if done in table} == {101.0}


def test_jobs_here_make_no_table(model: Model, tmp_path: Path) -> None:
    from tvsight.execution.here import Here

    run = Run(model, tmp_path, LocalServer(), tasks="to_upper")
    display = Display(Console(file=run.file))
    measurements = Measurements(run.config, run.store, model, display)
    measure([(measurements, run.requests(), Here())], display, run.outcome)
    assert "to_upper: Baseline" in run.shown
    assert lines(run) == []


def test_models_on_a_server_are_measured_side_by_side(of: Callable[..., Run], model: Model) -> None:
    """The second model's jobs do not wait for the first one's, and lines say whose they are."""
    server = LocalServer()
    run, display = of(server), Display(Console(file=io.StringIO(), width=200))
    other = replace(model, source=replace(model.source, name="other"))
    client: Any = server
    parts: list[Part] = []
    for one in (model, other):
        measurements = Measurements(run.config, run.store, one, display)
        asked = complete(requests(read_plan(run.config), one.source), one.weights, "float32")
        parts.append((measurements, asked, Remote(client, run.store.root, "float32", 1)))
    measure(parts, display, run.outcome)
    assert isinstance(display.console.file, io.StringIO)
    told = [line for line in display.console.file.getvalue().splitlines() if "(job " in line]
    begun = [line.partition(":")[0] for line in told if ": queued (" in line]
    first, second = TASKS.split(",")
    assert begun == [f"{one.name} / {task}" for task in (first, second) for one in (model, other)]
    assert len(list(run.store.paths())) == 4
    assert Records(run.store.root).all() == []


def test_the_size_of_vectors_is_told_before_they_are_asked_for(
    of: Callable[..., Run], model: Model
) -> None:
    run = of(tasks="to_upper")
    run.go()
    size = 8 * model.decoder.depth * model.decoder.width * 2
    told = f"to_upper: 1 job to be sent, {size / 1e3:.0f} kB of vectors to come back"
    first, second, *_ = run.shown.splitlines()
    assert first.startswith(told)
    assert "(job j0)" in second
    without = of(tasks="next_letter", vectors=False)
    without.go()
    assert "to come back" not in without.shown


def test_a_refusal_ends_the_run_and_what_was_accepted_is_remembered(of: Callable[..., Run]) -> None:
    """A key that is refused while jobs run."""
    server = LocalServer()
    server.seen = {0: [RUNNING, RefusedError("the key was refused.")]}
    run = of(server)
    with pytest.raises(RefusedError, match=r"the key was refused\. Job j0 is remembered"):
        run.go()
    assert {record.job_id for record in Records(run.store.root).all()} == {"j0", "j1"}
    server.seen[0] = []
    again = of(server)
    again.go()
    assert len(server.jobs) == 2
    assert list(Records(run.store.root).all()) == []
    assert len(list(run.store.paths())) == 2


def test_a_job_that_failed_is_forgotten_and_the_others_are_not(of: Callable[..., Run]) -> None:
    """Of a task of several jobs: those that were done are of use to the next run."""
    many = {"tasks": "to_upper", "episodes_per_split": 100, "max_job_episodes": 50, "remote": True}
    server = LocalServer()
    server.seen = {0: [RUNNING], 1: [WRONG]}
    run = of(server, **many)
    run.go()
    assert list(run.outcome.failures.values()) == [f"job j1 on {HOST}: ValueError: no"]
    assert [record.job_id for record in Records(run.store.root).all()] == ["j0"]
    again = of(server, **many)
    again.go()
    assert again.outcome.failures == {}
    assert [job.function.__name__ for _, job, _ in server.jobs] == [
        *["measure_dev"] * 3,
        *["measure_test"] * 2,
    ]
    assert Records(run.store.root).all() == []


def test_results_that_cannot_be_right_are_not_fetched_again(of: Callable[..., Run]) -> None:
    def wrong(request: Request, model: Any) -> Iterator[Any]:
        yield next(request.steps(model))
        raise MeasurementError("NaN")

    run = of(tasks="to_upper")
    run.go(change=lambda request: with_steps(request, wrong))
    assert list(run.outcome.failures.values()) == ["NaN"]
    assert Records(run.store.root).all() == []


def test_rows_of_a_server_are_stored_with_how_they_came(of: Callable[..., Run]) -> None:
    run = of(tasks="to_upper")
    run.go()
    (path,) = run.store.paths()
    assert isinstance(run.store.rows(path), pd.DataFrame)
    assert run.store.verified(path)["jobs"] == [{"job_id": "j0", "device": "cpu", "faults": []}]
