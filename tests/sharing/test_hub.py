"""Results are pushed to a data set on a hub and pulled from it."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.helpers.commands import analysis, imported
from tests.helpers.damages import truncate
from tests.helpers.data_hub import TOKEN, DataHub
from tests.helpers.example_episodes import example_episodes
from tests.helpers.example_store import (
    CURRENT,
    MADE,
    OTHER,
    OWN,
    RESULT,
    ROWS,
    record,
    two_results,
    unfinished,
)
from tvsight.cli.results import Options, main
from tvsight.cli.sharing import Pull, Push
from tvsight.errors import UsageError
from tvsight.sharing.hub import Repository, hub, repository, results_in
from tvsight.storage.inspection import verify
from tvsight.storage.store import Store

URL, NAME = "hf://datasets/me/mine", "me/mine"
JOBS = {"jobs": [{"job_id": "a1", "device": "cpu", "faults": ["http://inside:8001: 503"]}]}
Hub = Iterator[DataHub]


@pytest.fixture
def hubs(monkeypatch: pytest.MonkeyPatch) -> Hub:
    with DataHub.in_use(monkeypatch) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that holds `CURRENT` with vectors and `OWN` without."""
    return two_results(tmp_path / "results")


def push(store: Store, url: str = URL, **options: Any) -> int:
    return main(Options(Push(url=url, results=str(store.root), **options)))


def pull(folder: Path, url: str = URL) -> int:
    return main(Options(Pull(url=url, results=str(folder))))


def test_what_is_pushed_is_pulled_whole(hubs: DataHub, store: Store, tmp_path: Path) -> None:
    store.save(OTHER, ROWS, None, MADE, example_episodes())
    assert push(store, message="first") == 0
    assert hubs.data[NAME].messages == ["first"]
    assert pull(tmp_path / "there") == 0
    there = Store(tmp_path / "there")
    assert verify(there) == []
    assert sorted(there.paths()) == sorted(store.paths())
    assert there.verified(CURRENT.path) == store.verified(CURRENT.path)
    pd.testing.assert_frame_equal(there.rows(OWN.path), store.rows(OWN.path))
    assert there.episodes(OTHER.path) is not None
    assert sorted(path.name for path in there.root.iterdir()) == [".locks", "main_results"]


def test_only_whole_results_leave_the_folder_and_nothing_private(
    hubs: DataHub, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store.save(OTHER, ROWS, None, MADE | JOBS)
    truncate(store.root / OWN.path / "rows.parquet")
    unfinished(store, RESULT)
    record(store, f"{CURRENT.path.name}-0")
    (store.root / "notes.txt").write_text("mine")
    assert push(store) == 1
    shown = capsys.readouterr()
    assert f"{OWN.path}: damaged" in shown.out
    assert TOKEN not in shown.out + shown.err
    files = hubs.data[NAME].files
    held = {Path(name).parent for name in files} - {Path()}
    assert held == {CURRENT.path, OTHER.path}
    assert {name for name in files if "/" not in name} == {".gitattributes", "README.md"}
    content = b"\n".join(files.values())
    assert not any(word in content for word in (b"jobs", b"inside", str(store.root).encode()))


def test_a_further_push_sends_what_is_new_and_keeps_the_rest(
    hubs: DataHub, store: Store, tmp_path: Path
) -> None:
    push(store, vectors="figures", layer=4)
    assert f"{CURRENT.path}/vectors.safetensors" in hubs.data[NAME].files
    push(store, vectors="none")
    assert not any("vectors" in name for name in hubs.data[NAME].files)
    push(store)
    hubs.uploads.clear()
    push(store)
    assert hubs.uploads == []
    more = Store(tmp_path / "more")
    more.save(OTHER, ROWS.assign(margin=0.5), None, MADE)
    push(more)
    assert len(hubs.uploads) == 3  # rows, manifest, card
    assert "Results: 3, of them with vectors: 1." in hubs.data[NAME].files["README.md"].decode()
    assert pull(tmp_path / "there") == 0
    assert set(Store(tmp_path / "there").paths()) == {CURRENT.path, OWN.path, OTHER.path}


@pytest.mark.usefixtures("hubs")
def test_what_is_here_stays_but_what_has_less_or_is_damaged(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.save(OTHER, ROWS, None, MADE)
    push(store)
    there = two_results(tmp_path / "there")
    shutil.rmtree(there.root / CURRENT.path)
    there.save(CURRENT, ROWS, None, MADE)
    there.save(OTHER, ROWS.assign(margin=0.5), None, MADE)
    before = {result.path: (there.root / result.path).stat().st_ino for result in (OWN, OTHER)}
    assert pull(there.root) == 1
    assert f"{OTHER.path}: different: other rows are stored" in capsys.readouterr().out
    assert {path: (there.root / path).stat().st_ino for path in before} == before
    assert there.holds(CURRENT, with_vectors=True)
    truncate(there.root / OWN.path / "rows.parquet")
    with there.lock(OWN):
        assert pull(there.root) == 1
    assert f"{OWN.path}: in use" in capsys.readouterr().out
    push(store, vectors="none")
    pull(there.root)
    assert there.holds(OWN)
    assert there.holds(CURRENT, with_vectors=True)
    assert len(list((there.root / ".damaged").iterdir())) == 1


def changed(name: str, content: bytes | None) -> Callable[[dict[str, bytes]], object]:
    return lambda files: files.update({f"{OWN.path}/{name}": content or b""})


def later(files: dict[str, bytes]) -> None:
    manifest = json.loads(files[f"{OWN.path}/manifest.json"])
    manifest |= {"schema_version": 9, "versions": {"tvsight": "7.5"}}
    files[f"{OWN.path}/manifest.json"] = json.dumps(manifest).encode()


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (changed("rows.parquet", b"PAR1"), "damaged: rows.parquet has 4 bytes"),
        (changed("manifest.json", b"[]"), "damaged: no readable manifest.json"),
        (changed("vectors.safetensors", b"x"), "damaged: vectors.safetensors has no place"),
        (lambda files: files.pop(f"{OWN.path}/manifest.json"), "damaged: no readable"),
        (lambda files: files.pop(f"{OWN.path}/rows.parquet"), "damaged: rows.parquet is missing"),
        (later, "later: schema 9, written by tvsight 7.5"),
    ],
)
def test_a_result_that_is_not_whole_is_named_and_left_out(
    hubs: DataHub,
    store: Store,
    tmp_path: Path,
    damage: Callable[[dict[str, bytes]], object],
    named: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    push(store)
    damage(hubs.data[NAME].files)
    assert pull(tmp_path / "there") == 1
    assert f"{OWN.path}: {named}" in capsys.readouterr().out
    assert list(Store(tmp_path / "there").paths()) == [CURRENT.path]


STRANGERS = (
    f"{OWN.path}/run.pkl",
    "tables/x/y-0123456789ab/rows.parquet",
    "a/.b/c-0123456789ab/rows.parquet",
)


def test_no_other_file_of_a_data_set_is_taken(hubs: DataHub, store: Store, tmp_path: Path) -> None:
    push(store)
    hubs.data[NAME].files |= dict.fromkeys(STRANGERS, b"x")
    assert pull(tmp_path / "there") == 0
    assert verify(Store(tmp_path / "there")) == []
    push(store)
    assert hubs.data[NAME].files.keys() >= {*STRANGERS}
    for name in ("../x", "/etc/x", "a/../../b-0123456789ab/rows.parquet", "a\\b", "./x"):
        with pytest.raises(UsageError, match="leads out of a folder"):
            results_in(["README.md", name])


def test_a_dry_run_asks_no_hub(
    hubs: DataHub, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push(store, dry_run=True, licence="cc-by-4.0") == 0
    shown = capsys.readouterr().out
    assert 'license: "cc-by-4.0"' in shown
    assert f"Would push to {URL}: 2 results, " in shown
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="No result was chosen"):
        push(Store(tmp_path / "empty"))
    assert hubs.asked == []


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "another's": (
        {"url": "hf://datasets/another/mine"},
        "The hub refuses this for another/mine: run `hf auth login`",
    ),
    "a revision": ({"url": f"{URL}@v1"}, "leave out the revision"),
    "public": ({"private": True}, "is public already"),
    "overtaken": ({"vectors": "none"}, "was changed meanwhile: repeat"),
    "logged out": ({}, "The hub refuses this for me/mine: run `hf auth login`"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_push_that_is_refused_says_what_to_do_and_changes_nothing(
    hubs: DataHub, monkeypatch: pytest.MonkeyPatch, store: Store, case: str
) -> None:
    options, words = REFUSALS[case]
    push(store)
    if case == "overtaken":
        hubs.amid_push = lambda: hubs.data[NAME].messages.append("another's")
    elif case == "logged out":
        monkeypatch.setenv("HF_TOKEN", "")
    files = dict(hubs.data[NAME].files)
    with pytest.raises(UsageError, match=words):
        push(store, **options)
    assert hubs.data[NAME].files == files
    if case == "public":
        hubs.data.clear()
        assert push(store, private=True) == 0
        assert hubs.data[NAME].private


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("hf://datasets/me/absent", "The hub has no data set me/absent, or it is not open to you"),
        (f"{URL}@v2", "the data set has no such revision"),
        ("hf://me/empty", "hf://datasets/me/empty holds no results"),
        ("hf://models/me", "no address of a data set: hf://datasets/owner/name"),
        *((url, "is no address of a data set") for url in ("me/mine", "hf://mine", "hf://../x")),
        *((f"hf://{of}", "is no address") for of in ("datasets/me", "spaces/me", "a/b/c", "a/b@")),
    ],
)
def test_a_pull_of_what_is_not_there_says_so(
    hubs: DataHub, store: Store, tmp_path: Path, url: str, words: str
) -> None:
    push(store)
    hubs.data["me/empty"] = type(hubs.data[NAME])()
    with pytest.raises(UsageError, match=words):
        pull(tmp_path / "there", url)
    assert list((tmp_path / "there").glob("*")) == []
    assert repository("hf://me/mine@v1") == Repository(NAME, "v1")


def test_a_hub_that_cannot_be_reached_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with DataHub.in_use(monkeypatch):
        pass
    with pytest.raises(UsageError, match=r"The hub could not be reached \(ConnectError\)"):
        pull(tmp_path / "there")


def test_a_command_without_a_hub_ends_in_one_line_and_without_torch(tmp_path: Path) -> None:
    """As a person runs it, with the hub switched off."""
    done = analysis("results", "pull", URL, "--results", tmp_path, python=("-X", "importtime"))
    assert (done.returncode, done.stdout) == (2, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: The hub could not be reached (HF_HUB_OFFLINE is set)")
    assert "Traceback" not in done.stderr
    assert imported(done.stderr) & {"torch", "nnsight", "transformers"} == set()
    assert list(tmp_path.iterdir()) == []


def test_errors_of_the_disk_and_of_tvsight_are_not_the_hubs() -> None:
    for error in (OSError(28, "No space left on device"), UsageError("mine")):
        with pytest.raises(type(error)) as raised, hub(Repository(NAME)):
            raise error
        assert raised.value is error
    with pytest.raises(UsageError, match=f"{URL}: ValueError: odd"), hub(Repository(NAME)):
        raise ValueError("odd\x1b")
