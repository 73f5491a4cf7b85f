"""The wheel holds what it needs, and works where nothing else of the repository is."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Callable
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

from tests.helpers.commands import ROOT, SETTINGS, Finished
from tests.helpers.embedded import PACKAGE
from tvsight import __version__

pytestmark = pytest.mark.slow

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCES = ("tvsight", "analyses")
EMBEDDED = PACKAGE.part.partition("{")[0]
"""The beginning of the names of the embedded model's packages."""
OWN = ("tvsight", "__editable__")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, because a build leaves files in its source."""
    source = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "-w", str(source / "dist"), str(source))
    (built,) = (source / "dist").iterdir()
    return built


class Installed:
    """An environment that holds the wheel, and sees its dependencies but not the repository."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        self.folder = folder
        self.seen = folder / "dependencies"
        self.seen.mkdir()
        self.see(lambda name: not name.startswith((*OWN, EMBEDDED)))
        venv.create(folder / "venv")
        python = folder / "venv" / "bin" / "python"
        pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
        (library,) = (folder / "venv" / "lib").glob("python*/site-packages")
        (library / "dependencies.pth").write_text(str(self.seen))

    def see(self, chosen: Callable[[str], bool]) -> None:
        """Let it import those packages of this environment whose names are chosen."""
        for library in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
            for path in Path(library).iterdir():
                if chosen(path.name):
                    (self.seen / path.name).symlink_to(path)

    def run(self, *arguments: str, **environment: str) -> Finished:
        """`tvsight <arguments>` in an empty folder."""
        kept = {name: of for name, of in os.environ.items() if name != "PYTHONPATH"}
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        return subprocess.run(
            [str(self.folder / "venv" / "bin" / "tvsight"), *arguments],
            cwd=work,
            env=kept | SETTINGS | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def rows(self) -> list[Path]:
        """The rows that were measured."""
        return [*(self.folder / "work").glob("results/main_results/*/*/rows.parquet")]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(wheel, tmp_path_factory.mktemp("installed"))


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_string(opened.read(name).decode())


def test_the_wheel_holds_every_file_of_the_packages_and_no_other(wheel: Path) -> None:
    files = (path for name in SOURCES for path in (ROOT / name).rglob("*") if path.is_file())
    expected = {str(path.relative_to(ROOT)) for path in files if path.parent.name != "__pycache__"}
    assert {"tvsight/py.typed", "tvsight/models/catalogue.json"} <= expected
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if ".dist-info/" not in name}
    assert names == expected


def test_its_metadata_says_what_the_project_does(wheel: Path) -> None:
    said = metadata(wheel)
    assert (said["Name"], said["Version"]) == ("tvsight", __version__)
    assert (said["License-Expression"], said["License-File"]) == ("MIT", "LICENSE")
    assert said.get_all("Classifier") == PROJECT["classifiers"]
    links = dict(link.split(", ") for link in said.get_all("Project-URL", []))
    assert links == PROJECT["urls"]
    assert {*links} == {"Repository", "Documentation", "Changelog", "Issues"}
    assert {*said.get_all("Provides-Extra", [])} == {*PROJECT["optional-dependencies"]}
    assert len(str(said.get_payload())) > 1000


def test_twine_finds_no_fault(wheel: Path) -> None:
    pytest.importorskip("twine")
    command = [sys.executable, "-m", "twine", "check", "--strict", str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_the_embedded_model_it_names_the_command_that_installs_it(
    installed: Installed, tmp_path: Path
) -> None:
    done = installed.run("main-results", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line == (f"error: {PACKAGE.display_name} is not installed. Run: {PACKAGE.install}")
    assert installed.rows() == []


def test_it_measures_outside_the_repository(
    installed: Installed, tiny_checkpoint: Callable[[str], Path]
) -> None:
    model = ("--model", str(tiny_checkpoint("llama")))
    small = ("--tasks", "to_upper", "--episodes-per-split", "2", "--shots", "2", "--no-vectors")
    done = installed.run("main-results", *model, *small)
    assert done.returncode == 0, done.stdout + done.stderr
    (rows,) = installed.rows()
    manifest = json.loads((rows.parent / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["versions"]["tvsight"] == __version__
    assert manifest["commit"] is None
