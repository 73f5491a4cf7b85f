"""Foreign input made of broken pieces is used, or refused with one message; never more.

`FUZZ_INPUTS=6000 python -m pytest tests/test_fuzz.py` tries that many of each kind.
"""

import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import nnsight
import pytest

import tvsight
from benchmarks.prompt_files import read_prompts
from tests.helpers import fuzzed
from tests.helpers.example_store import CURRENT, two_results
from tests.helpers.tiny_llama import HOST, KEY
from tvsight.cli import ndif_status, report, results, sharing
from tvsight.cli.command import leave
from tvsight.errors import ServerError, UsageError
from tvsight.execution.ndif import client, preflight
from tvsight.execution.ndif.client import NdifClient, ResultGone, Unanswered
from tvsight.execution.ndif.patience import Patience
from tvsight.execution.ndif.results import WrongResult
from tvsight.library.origin import Origin
from tvsight.methods.files import read_method
from tvsight.prompts import read_episodes
from tvsight.storage.job_records import JobRecord, Records
from tvsight.storage.store import Result
from tvsight.tasks.files import read_task_file

INPUTS = int(os.environ.get("FUZZ_INPUTS", "200"))
"""Of each kind."""
LONGEST = 3000
"""Most characters of a message, the name of the file apart."""
REFUSALS = (UsageError, ServerError, Unanswered, ResultGone, WrongResult)
Made = Callable[[random.Random], bytes]
Use = Callable[[bytes], object]


def tried(kind: str, made: Made, use: Use) -> Counter[str]:
    """Use each input; returns how many were used and refused."""
    rng, outcomes, longest = random.Random(kind), Counter[str](), 0
    for number in range(INPUTS):
        content = made(rng)
        try:
            use(content)
        except REFUSALS as refusal:
            outcomes["refused"] += 1
            longest = max(longest, len(str(refusal)))
        except BaseException as error:  # the test is about exactly these
            raise AssertionError(f"input {number}: {error!r} for {content[:3000]!r}") from error
        else:
            outcomes["used"] += 1
    print(kind, dict(outcomes), "longest message", longest)
    assert longest < LONGEST, "a message that nobody can read"
    return outcomes


def from_file(file: Path, read: Callable[[Path], object]) -> Use:
    def use(content: bytes) -> None:
        file.write_bytes(content)
        read(file)

    return use


@pytest.mark.filterwarnings("ignore::tvsight.errors.Remark")
@pytest.mark.parametrize(
    ("name", "made", "read"),
    [
        ("own.json", fuzzed.json_task, lambda file: read_task_file(str(file))),
        ("examples.json", fuzzed.examples, lambda file: read_task_file(str(file))),
        ("own.csv", fuzzed.csv_task, lambda file: read_task_file(str(file))),
        ("own.jsonl", fuzzed.episode_lines, read_episodes),
        ("prompts.json", fuzzed.prompts, read_prompts),
        ("method.py", fuzzed.method, read_method),
    ],
)
def test_any_file_is_read_or_refused(
    tmp_path: Path, name: str, made: Made, read: Callable[[Path], object]
) -> None:
    outcomes = tried(name, made, from_file(tmp_path / name, read))
    assert min(outcomes["used"], outcomes["refused"]) > INPUTS / 50, outcomes


@pytest.mark.filterwarnings("ignore::tvsight.errors.Remark")
def test_any_file_of_a_vector_is_read_or_refused(
    tmp_path: Path, tiny_checkpoint: Callable[[str], Path]
) -> None:
    model = tvsight.load(tiny_checkpoint("gpt2"), device="cpu")

    def read(file: Path) -> None:
        vector = tvsight.read_vector(model, file)
        assert f"{vector!r} {vector._repr_html_()}"

    made = fuzzed.vectors(model.decoder.depth, model.decoder.width, Origin.of(model)._asdict())
    use = from_file(tmp_path / "theta.safetensors", read)
    outcomes = tried("vector", made, use)
    assert min(outcomes["used"], outcomes["refused"]) > INPUTS / 50, outcomes


def ended(run: Callable[[], int], capsys: pytest.CaptureFixture[str]) -> int:
    """The exit code of a command that says at most one thing on standard error."""
    with pytest.raises(SystemExit) as end:
        leave(run)
    said = capsys.readouterr().err
    assert said.count("error: ") == len(said.splitlines()) == (end.value.code in (2, 3)), said
    assert len(said) < LONGEST
    assert end.value.code in (0, 1, 2, 3)
    return int(end.value.code)


def test_results_with_any_manifest_are_listed_checked_and_shared_or_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of the manifests lie in the folder that their identity names, as a forged one does."""
    whole = two_results(tmp_path / "whole")
    manifest = json.loads((whole.root / CURRENT.path / "manifest.json").read_bytes())
    manifest |= {"episodes_file": {"antonyms": "0f"}}
    folder, archive = tmp_path / "results", tmp_path / "all.zip"
    shown = str(folder)
    actions: tuple[Callable[[], int], ...] = (
        lambda: results.main(results.Options(results.List(shown))),
        lambda: results.main(results.Options(results.Verify(shown))),
        lambda: results.main(results.Options(results.Clean(shown, yes=True))),
        lambda: results.main(results.Options(sharing.Export(shown, output=str(archive)))),
        lambda: results.main(
            results.Options(sharing.Push(url="hf://datasets/a/b", results=shown, dry_run=True))
        ),
        lambda: report.main(report.Options(shown)),
    )
    codes = Counter[int]()

    def use(content: bytes) -> None:
        shutil.copytree(whole.root, folder)
        place = folder / CURRENT.path
        if len(content) % 2 and (forged := named(content)) is not None:
            (folder / forged).parent.mkdir(parents=True, exist_ok=True)
            place = place.rename(folder / forged)
        (place / "manifest.json").write_bytes(content)
        for act in actions if INPUTS > 200 else (actions[len(content) // 2 % len(actions)],):
            codes[ended(act, capsys)] += 1
        shutil.rmtree(folder)
        archive.unlink(missing_ok=True)

    tried("manifests", lambda rng: fuzzed.as_json(manifest, rng), use)
    assert min(codes[0], codes[1]) > INPUTS / 50, codes


def named(content: bytes) -> Path | None:
    """The folder of the result that a manifest names; None where it names none."""
    try:
        path = Result(json.loads(content)["identity"]).path
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return None if ".." in path.parts else path


def test_any_job_record_is_used_or_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = two_results(tmp_path)
    records = Records(store.root)
    record = JobRecord("antonyms-0123456789ab-0", "id", HOST, "m", "d", "2026-01-01")
    records.write(record)
    (file,) = records.folder.iterdir()
    fields = json.loads(file.read_bytes())

    def use(content: bytes) -> None:
        file.write_bytes(content)
        ended(lambda: results.main(results.Options(results.Verify(str(store.root)))), capsys)
        options = ndif_status.Options(HOST, str(store.root), forget="no such job")
        assert ended(lambda: ndif_status.main(options), capsys) == 2
        records.read(record.name)

    outcomes = tried("records", lambda rng: fuzzed.as_json(fields, rng), use)
    assert outcomes["used"] > INPUTS / 50, outcomes


def test_any_answer_of_a_server_is_used_or_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def exchange(method: str, url: str, *limits: Any, **content: Any) -> httpx.Response:
        path = "/" + url.removeprefix(f"{HOST}/").partition("/")[0]
        whole = path != broken[0]
        status, body = fuzzed.SAID.get(path, (200, {}))
        text = json.dumps(body).encode() if whole else broken[1]
        request = httpx.Request(method, url)
        return httpx.Response(status if whole else broken[2], content=text, request=request)

    broken: list[Any] = ["", b"", 200]
    monkeypatch.setattr(client, "exchange", exchange)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(preflight, "get_local_env", lambda: fuzzed.SAID["/env"][1])
    monkeypatch.setattr(nnsight.CONFIG.API, "APIKEY", KEY)
    Records(tmp_path).write(JobRecord("antonyms-0123456789ab-0", "id", HOST, "m", "d", "2026"))
    codes, asked = Counter[int](), NdifClient(HOST, Patience(retries=1))

    def made(rng: random.Random) -> bytes:
        path = rng.choice([*fuzzed.SAID])
        content = fuzzed.as_json(fuzzed.SAID[path][1], rng)
        broken[:] = [path, content, rng.choice([200, 200, 200, 400, 401, 404, 422, 500])]
        return content

    def use(content: bytes) -> None:
        options = ndif_status.Options(HOST, str(tmp_path))
        codes[ended(lambda: ndif_status.main(options), capsys)] += 1
        asks: tuple[Callable[[], object], ...] = (
            lambda: asked.submit("m", b"", "id"),
            lambda: asked.job("id"),
            lambda: asked.result(fuzzed.link(content), 10_000),
            lambda: preflight.versions(asked),
            lambda: preflight.deployment(asked, fuzzed.decoder("key"), "bfloat16"),
            lambda: preflight.not_pinned(asked, "key"),
        )
        asks[len(content) % len(asks)]()

    tried("answers", made, use)
    assert min(codes[0], codes[3]) > INPUTS / 50, codes


@pytest.mark.parametrize("place", ["pair", "answer", "name", "pairs"])
def test_json_of_any_depth_is_refused(tmp_path: Path, place: str) -> None:
    """Also where it is just not too deep to be read, but too deep to be shown."""
    file = tmp_path / "own.json"
    for depth in [*range(1, 50, 10), *range(850, 1010), 10_000]:
        deep = "[" * depth + "]" * depth
        parts = {"name": '"own"', "pairs": '[["a", "b"]]'} | {
            "pair": {"pairs": f"[{deep}]"},
            "answer": {"pairs": f'[["a", [{deep}]]]'},
            "name": {"name": deep},
            "pairs": {"pairs": deep},
        }[place]
        file.write_text("{" + ", ".join(f'"{key}": {of}' for key, of in parts.items()) + "}")
        with pytest.raises(UsageError):
            read_task_file(str(file))


def test_too_many_pairs_are_refused_and_a_hundred_thousand_are_read(tmp_path: Path) -> None:
    rows = [[f"x{number}", f"y{number}"] for number in range(200_000)]
    (tmp_path / "own.json").write_text(json.dumps({"name": "own", "pairs": rows}))
    (tmp_path / "own.csv").write_text("".join(f"{x},{y}\n" for x, y in rows))
    for name in ("own.json", "own.csv"):
        with pytest.raises(UsageError, match="200000 pairs; at most 100000 are read"):
            read_task_file(str(tmp_path / name))
    (tmp_path / "own.csv").write_text("".join(f"{x},{y}\n" for x, y in rows[:100_000]))
    assert len(read_task_file(str(tmp_path / "own.csv")).pairs) == 100_000


@pytest.mark.parametrize("name", ["own.json", "own.csv"])
def test_a_text_of_ten_megabytes_is_refused_and_not_repeated(tmp_path: Path, name: str) -> None:
    long = "x" * 10_000_000
    json_form = json.dumps({"name": "own", "pairs": [["a", long]]})
    (tmp_path / name).write_text(json_form if name.endswith("json") else f"a,{long}\n")
    with pytest.raises(UsageError) as refused:
        read_task_file(str(tmp_path / name))
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("name", ["a\x00b.json", "\ud800.json", "x" * 5000 + ".csv"])
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        read_task_file(name)
    with pytest.raises(UsageError):
        read_episodes(Path(name))
