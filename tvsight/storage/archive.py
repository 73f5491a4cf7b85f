"""Write results to an archive. Unpacked, it is a results folder."""

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Literal

from tvsight.errors import UsageError
from tvsight.storage.contents import FILE_VERSION
from tvsight.storage.inspection import Entry
from tvsight.storage.manifests import MANIFEST, VECTORS, manifest_text
from tvsight.storage.store import Store
from tvsight.writing import folder_name, reason, whole_file

KINDS = (".tar.gz", ".tgz", ".zip")
CHUNK = 1 << 20
Vectors = Literal["all", "figures", "none"]


def export(
    store: Store,
    entries: Sequence[Entry],
    target: Path,
    vectors: Vectors = "all",
    blocks: Mapping[Path, int] | None = None,
) -> None:
    """Write verified results to `target`, a .tar.gz or .zip file. It appears whole or not at all.

    Every member is a plain relative path below one folder, which is named after the archive. The
    same results make the same bytes. Manifests in the archive describe what is in it.

    Args:
        vectors: the stored task vectors to put in: `all`, those that `figures` need (see
            `storage.task_vectors.part`), or `none`.
        blocks: by folder of a result, the block whose vectors figures need. Figures need no vectors
            of other results.

    Raises:
        UsageError: for another ending, a file that is there already, no results, or a place that
            cannot be written.
    """
    folder = _folder(target)
    if not entries:
        raise UsageError("No result was chosen, so no archive is written.")
    if target.exists() or target.is_symlink():
        raise UsageError(f"--output {target}: there is such a file already; name another.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as new:
            archive = _Zip(new) if target.suffix == ".zip" else _Tar(new)
            try:
                for entry in sorted(entries, key=lambda entry: entry.path):
                    for name, source in members(store, entry, vectors, blocks or {}):
                        written = datetime.fromisoformat(entry.manifest["written"])
                        archive.add(_plain(folder / entry.path / name), source, written)
            finally:
                archive.close()
    except OSError as error:
        raise UsageError(
            f"--output {target} cannot be written: {reason(error)}. Nothing was left there."
        ) from error


def _folder(target: Path) -> PurePosixPath:
    for kind in KINDS:
        if target.name.endswith(kind) and target.name != kind:
            return PurePosixPath(folder_name(target.name.removesuffix(kind)))
    raise UsageError(f"--output {target}: a name that ends in {', '.join(KINDS)} was expected.")


def members(
    store: Store, entry: Entry, vectors: Vectors, blocks: Mapping[Path, int]
) -> Iterator[tuple[str, Path | bytes]]:
    """The name and source of each file of a result for somebody else, the manifest last.

    Args:
        vectors, blocks: see `export`.
    """
    manifest = dict(entry.manifest)
    sources: dict[str, Path | bytes] = {
        name: store.root / entry.path / name for name in sorted(manifest["files"])
    }
    if entry.has_vectors and vectors == "figures" and entry.path in blocks:
        sources[VECTORS] = _part(store, entry, blocks[entry.path])
    elif entry.has_vectors and vectors != "all":
        del sources[VECTORS]
    manifest["files"] = {
        name: hashlib.sha256(source).hexdigest() if isinstance(source, bytes) else sha256
        for name, sha256 in manifest["files"].items()
        if (source := sources.get(name)) is not None
    }
    manifest["sizes"] = {
        name: len(source) if isinstance(source, bytes) else source.stat().st_size
        for name, source in sources.items()
    }
    yield from sources.items()
    yield MANIFEST, manifest_text(manifest).encode()


def _part(store: Store, entry: Entry, block: int) -> bytes:
    from safetensors.torch import save

    from tvsight.storage.task_vectors import part

    return save(part(store.vectors(entry.path), block), FILE_VERSION)


def _plain(path: PurePosixPath) -> str:
    """Check that a path stays in the folder that it is unpacked in, and return it as text."""
    if path.is_absolute() or {"", ".", ".."} & set(path.parts) or "\\" in str(path):
        raise UsageError(f"{path} could leave the folder that the archive is unpacked in.")
    return str(path)


class _Tar:
    """Writes a .tar.gz. A member has a name, a source (a file, or its content) and a time."""

    def __init__(self, path: Path) -> None:
        self._open = ExitStack()
        raw = self._open.enter_context(path.open("wb"))
        # Without a name and a time in it, so that the same results make the same bytes.
        packed = self._open.enter_context(gzip.GzipFile("", "wb", fileobj=raw, mtime=0))
        tar = tarfile.TarFile(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT)
        self._tar = self._open.enter_context(tar)

    def add(self, name: str, source: Path | bytes, written: datetime) -> None:
        member = tarfile.TarInfo(name)
        member.mtime = int(written.timestamp())
        if isinstance(source, bytes):
            member.size = len(source)
            self._tar.addfile(member, io.BytesIO(source))
            return
        with source.open("rb") as file:
            member.size = source.stat().st_size
            self._tar.addfile(member, file)

    def close(self) -> None:
        self._open.close()


class _Zip:
    """Writes a .zip with the same members."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED)

    def add(self, name: str, source: Path | bytes, written: datetime) -> None:
        moment = max(written.astimezone(UTC), datetime(1980, 1, 1, tzinfo=UTC))
        member = zipfile.ZipInfo(name, moment.timetuple()[:6])
        member.compress_type = zipfile.ZIP_DEFLATED
        member.external_attr = 0o100644 << 16
        if isinstance(source, bytes):
            self._zip.writestr(member, source)
            return
        member.file_size = source.stat().st_size  # says whether it needs the form for large files
        with source.open("rb") as file, self._zip.open(member, "w") as into:
            while chunk := file.read(CHUNK):
                into.write(chunk)

    def close(self) -> None:
        self._zip.close()
