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
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.helpers.commands import ROOT, SETTINGS, Finished
from tests.helpers.embedded import PACKAGE
from tvsight import __version__

pytestmark = pytest.mark.slow

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCES = ("tvsight", "analyses")
EMBEDDED = PACKAGE.part.partition("{")[0]
"""The beginning of the names of the embedded model's packages."""
OWN = ("tvsight", "__editable__")
LEAN = """
import sys
import tvsight
from tvsight.errors import UsageError

model = tvsight.load(sys.argv[1])
rows = tvsight.measure(model, "to_upper", "results", episodes_per_split=2, shots=2)
assert len(tvsight.read("results")) == len(rows)
theta = tvsight.task_vector(model, "to_upper", episodes=2, shots=2, method="function_vector")
theta.apply("a", tokens=2)
theta.save("theta.safetensors")
simulated = tvsight.load(sys.argv[1], remote="simulated")
assert simulated.generate("a b") == model.generate("a b")
for call in (
    tvsight.lens(model, "a b").plot,
    theta.sweep("a").plot,
    tvsight.attention(model, "a b").plot,
    lambda: theta.save_gguf("theta.gguf", 1),
):
    try:
        call()
    except UsageError as error:
        print(error)
"""


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

    def __init__(self, wheel: Path, folder: Path, seen: Callable[[str], bool]) -> None:
        self.folder = folder
        self.seen = folder / "site-packages"  # else nnsight takes them for modules of its user
        self.seen.mkdir()
        self.see(seen)
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

    def run(self, *arguments: str, program: str = "tvsight", **environment: str) -> Finished:
        """`tvsight <arguments>`, or another program of the environment, in an empty folder."""
        kept = {name: of for name, of in os.environ.items() if name != "PYTHONPATH"}
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        return subprocess.run(
            [str(self.folder / "venv" / "bin" / program), *arguments],
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
    folder = tmp_path_factory.mktemp("installed")
    return Installed(wheel, folder, lambda name: not name.startswith((*OWN, EMBEDDED)))


@pytest.fixture(scope="module")
def lean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel without any extra: it sees what its dependencies need, and nothing else."""
    needed: dict[str, set[str]] = {}
    wanted = [Requirement(line) for line in PROJECT["dependencies"]]
    for one in wanted:
        if one.name not in needed and (not one.marker or one.marker.evaluate({"extra": ""})):
            found = distribution(one.name)
            needed[one.name] = {file.parts[0] for file in found.files or []}
            wanted += [Requirement(line) for line in found.requires or []]
    names = set().union(*needed.values())
    return Installed(wheel, tmp_path_factory.mktemp("lean"), names.__contains__)


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


def test_the_base_measures_and_names_the_command_for_what_it_lacks(
    lean: Installed, tiny_checkpoint: Callable[[str], Path]
) -> None:
    checkpoint = str(tiny_checkpoint("llama"))
    done = lean.run("-c", LEAN, checkpoint, program="python")
    assert done.returncode == 0, done.stderr
    told = [line.partition("(")[0] for line in done.stdout.splitlines()]
    assert told == [*[says("matplotlib", "figures")] * 3, says("gguf", "embedded")]
    for command, lacking in (
        (("main-results", "--model", checkpoint), says("matplotlib", "figures")),
        (("report",), says("matplotlib", "figures")),
        (("ndif-status",), says("tenacity", "remote")),
    ):
        done = lean.run(*command)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {lacking}"), done.stderr


def says(module: str, extra: str) -> str:
    return f'{module} is not installed: pip install "tvsight[{extra}]" '
