"""The plan of a run on a server, and that making it sends and writes nothing."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest

from tests.helpers.commands import SETTINGS, cells, ran
from tests.helpers.other_steps import with_steps
from tests.helpers.tiny_llama import HOST
from tests.ndif.hub import Repository
from tvsight.config import RunConfig
from tvsight.errors import UsageError
from tvsight.execution.jobs import Job
from tvsight.execution.ndif import preflight
from tvsight.execution.ndif.parcel import digest, payload
from tvsight.models.loading import Model
from tvsight.output.console import Display
from tvsight.protocol.central import requests as asked_of
from tvsight.run.planning import Request, complete, read_plan
from tvsight.run.travel import COLUMNS, show, size
from tvsight.storage.job_records import JobRecord, Records

NAME = "local/tiny"
REMOTE = {"remote": True, "host": HOST, "shots": 3, "tasks": "to_upper,next_letter"}


def requests(config: RunConfig, model: Model) -> list[Request]:
    return complete(asked_of(read_plan(config), model.source), model.weights, "float32")


@pytest.fixture
def config(model: Model, tmp_path: Path) -> RunConfig:
    name = str(model.source.location)
    return RunConfig(model=(name,), results=str(tmp_path), **REMOTE)


def preview(model: Model, config: RunConfig, asked: Any, missing: Any) -> SimpleNamespace:
    """What is shown."""
    display = create_autospec(Display, instance=True)
    show(display, model, config, asked, missing)
    table, title = display.table.call_args.args
    impossible = dict(call.args for call in display.failed.call_args_list)
    return SimpleNamespace(table=table, title=title, impossible=impossible)


def jobs_of(request: Request, model: Model) -> list[Job]:
    return next(request.steps(model))


def test_each_task_has_its_jobs_and_what_they_weigh(config: RunConfig, model: Model) -> None:
    config = replace(config, episodes_per_split=5)
    asked = requests(config, model)
    found = preview(model, config, asked, asked)
    assert found.impossible == {}
    assert HOST in found.title
    assert list(found.table) == COLUMNS
    *tasks, total = found.table.itertuples(index=False)
    sent = [len(payload(model.decoder, job)) for one in asked for job in jobs_of(one, model)]
    vectors = 10 * model.decoder.depth * model.decoder.width * 2
    for (name, state, jobs, under_way, up, down, back), bytes_up in zip(tasks, sent, strict=True):
        assert (state, jobs, under_way, up) == ("to be sent", "1", "0", size(bytes_up))
        assert back == size(vectors)
        assert name in ("to_upper", "next_letter")
        # Token and rank in 8 bytes each, log-probability and margin in 4, of 5 dev and 5 test
        # episodes; and two scores in 4, but of the no-op.
        swept = 2 * model.decoder.depth
        assert down == size(5 * (24 * (2 + swept) + 8 * (1 + swept)) + 5 * (24 + 8) * 4)
    assert tuple(total)[:4] == ("all", "", "2", "0")
    assert total[4] == size(sum(sent))
    assert total[6] == size(2 * vectors)


def test_jobs_of_a_second_round_count(config: RunConfig, model: Model) -> None:
    config = replace(
        config, tasks="to_upper", episodes_per_split=100, max_job_episodes=50, vectors=False
    )
    asked = requests(config, model)
    steps = asked[0].steps(model)
    first = next(steps)
    assert [len(job.later) for job in first] == [2, 0]
    row, _ = preview(model, config, asked, asked).table.itertuples(index=False)
    assert (row.Jobs, row[6]) == ("4", size(0))
    all_jobs = [*first, *first[0].later]
    assert row.Up == size(sum(len(payload(model.decoder, job)) for job in all_jobs))
    names = [job.function.__name__ for job in all_jobs]
    assert names == ["measure_dev", "measure_dev", "measure_test", "measure_test"]


def test_what_is_stored_or_under_way_is_not_sent(config: RunConfig, model: Model) -> None:
    config = replace(config, episodes_per_split=4, tasks="to_upper,next_letter,prev_letter")
    stored, running, missing = asked = requests(config, model)
    (job,) = jobs_of(running, model)
    record = JobRecord(f"{running.result.path.name}-0", "a1", HOST, "model", digest(job), "2026")
    Records(Path(config.results)).write(record)
    # The same record for a task whose job asks something else.
    other = replace(record, name=f"{missing.result.path.name}-0")
    Records(Path(config.results)).write(other)
    table = preview(model, config, asked, [running, missing]).table
    assert stored not in [running, missing]
    assert table["State"].tolist() == ["in the store", "under way", "to be sent", ""]
    assert table["Under way"].tolist() == ["0", "1", "0", "1"]
    assert table["Up"].tolist()[:2] == [size(0), size(0)]
    assert table["Vectors down"][1] == table["Vectors down"][2] != size(0)


@pytest.mark.parametrize(
    ("known", "under_way", "state"),
    [
        ([], 0, "to be sent"),
        ([1], 1, "partly under way"),
        ([0, 1], 2, "partly under way"),
        ([0, 1, 2], 3, "partly under way"),
        ([0, 1, 2, 3], 4, "under way"),
        # Of jobs for other arguments; the first step decides.
        ([2, 3], 0, "to be sent"),
        ([0, 2, 3], 1, "partly under way"),
    ],
)
def test_a_task_of_several_jobs_is_under_way_in_part(
    config: RunConfig, model: Model, known: list[int], under_way: int, state: str
) -> None:
    """What jobs of the second step ask depends on the chosen block, which a plan does not know."""
    config = replace(
        config, tasks="to_upper", episodes_per_split=100, max_job_episodes=50, vectors=False
    )
    asked = requests(config, model)
    first = jobs_of(asked[0], model)
    digests = [*map(digest, first), "of the chosen block", "of the chosen block"]
    records = Records(Path(config.results))
    for number in known:
        name = f"{asked[0].result.path.name}-{number}"
        records.write(JobRecord(name, "a1", HOST, "model", digests[number], "2026"))
    row, total = preview(model, config, asked, asked).table.itertuples(index=False)
    assert (row.State, row.Jobs, row[3]) == (state, "4", str(under_way))
    assert total[3] == str(under_way)
    assert (row.Up == size(0)) == (under_way == 4)


def test_a_task_that_cannot_be_measured_is_told_apart(config: RunConfig, model: Model) -> None:
    def impossible(request: Request, model: Any) -> Iterator[Any]:
        raise UsageError("too few pairs")

    config = replace(config, episodes_per_split=4)
    first, second = requests(config, model)
    asked = [with_steps(first, impossible), second]
    found = preview(model, config, asked, asked)
    assert found.impossible == {"to_upper": "too few pairs"}
    assert found.table["Task"].tolist() == ["next_letter", "all"]


def test_each_kind_of_job_is_rehearsed_once(
    config: RunConfig, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearsed: list[Any] = []

    def noted(job: Job, *rest: Any) -> float:
        rehearsed.append(job.function.__name__)
        return 1.0

    monkeypatch.setattr(preflight, "rehearse", noted)
    config = replace(config, episodes_per_split=100, max_job_episodes=50)
    asked = requests(config, model)
    preview(model, config, asked, asked)
    assert rehearsed == ["measure_dev", "measure_test"]


def test_a_dry_run_sends_and_writes_nothing(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    """As a person runs it."""
    home, results = tmp_path / "home", tmp_path / "results"
    Repository(NAME, tiny_checkpoint("llama")).fill_cache(home)
    options = ["--tasks", "to_upper,next_letter", "--episodes-per-split", "4", "--shots", "3"]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host = f"http://127.0.0.1:{listening.getsockname()[1]}"
        options += ["--model", NAME, "--host", host, "--results", str(results)]
        command = ("-m", "analyses.main_results", "--remote", "--dry-run", *options)
        done = ran(*command, environment=SETTINGS | {"HF_HOME": str(home)})
        listening.settimeout(0)
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 of 2 are in the store, 2 to do" in done.stdout
    assert f"{NAME} on {host}" in done.stdout
    rows = [row for row in cells(done) if row[0] in ("to_upper", "next_letter", "all")]
    assert [row[:4] for row in rows] == [
        ["to_upper", "to be sent", "1", "0"],
        ["next_letter", "to be sent", "1", "0"],
        ["all", "", "2", "0"],
    ]
    assert all(cell.endswith((" kB", " MB")) for row in rows for cell in row[4:])
    assert not results.exists()
