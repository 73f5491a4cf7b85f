"""Results for somebody else: laid out in a folder, and packed into an archive."""

import gzip
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from tvsight.errors import UsageError
from tvsight.storage.contents import FILE_VERSION
from tvsight.storage.inspection import Entry
from tvsight.storage.manifests import MANIFEST, VECTORS, manifest_text
from tvsight.storage.store import Store
from tvsight.writing import checksum, folder_name, reason, whole_file

KINDS = (".tar.gz", ".tgz", ".zip")
Vectors = Literal["all", "figures", "none"]
Member = tuple[str, Path, datetime]
"""The name of a file in an archive, its source, and the time when its result was written."""


@contextmanager
def laid_out(
    store: Store,
    entries: Sequence[Entry],
    vectors: Vectors = "all",
    blocks: Mapping[Path, int] | None = None,
    private: Collection[str] = (),
) -> Iterator[Path]:
    """Verified results as others get them, in a results folder that lasts as long as the block.
    Files that are sent as they are stored are links; manifests describe what is in the folder.

    Args:
        vectors: the stored task vectors to put in: `all`, those that `figures` need (see
            `storage.task_vectors.part`), or `none`.
        blocks: by folder of a result, the block whose vectors figures need. Figures need no vectors
            of other results.
        private: fields of manifests to leave out.

    Raises:
        UsageError: when no result was chosen.
    """
    if not entries:
        raise UsageError("No result was chosen, so there is nothing to share.")
    with tempfile.TemporaryDirectory() as temporary:
        for entry in entries:
            folder = Path(temporary) / entry.path
            folder.mkdir(parents=True)
            manifest = {name: of for name, of in entry.manifest.items() if name not in private}
            files = dict(manifest["files"])
            if entry.has_vectors and vectors == "figures" and entry.path in (blocks or {}):
                _write_part(store, entry, (blocks or {})[entry.path], folder / VECTORS)
                files[VECTORS] = checksum(folder / VECTORS)
            elif vectors != "all":
                files.pop(VECTORS, None)
            for name in files:
                if not (folder / name).exists():
                    (folder / name).symlink_to((store.root / entry.path / name).absolute())
            sizes = {name: (folder / name).stat().st_size for name in files}
            text = manifest_text(manifest | {"files": files, "sizes": sizes})
            (folder / MANIFEST).write_text(text, encoding="utf-8")
        yield Path(temporary)


def _write_part(store: Store, entry: Entry, block: int, file: Path) -> None:
    from safetensors.torch import save_file

    from tvsight.storage.task_vectors import part

    save_file(part(store.vectors(entry.path), block), file, FILE_VERSION)


def export(
    store: Store,
    entries: Sequence[Entry],
    target: Path,
    vectors: Vectors = "all",
    blocks: Mapping[Path, int] | None = None,
) -> None:
    """Write verified results to `target`, a .tar.gz or .zip file. It appears whole or not at all.

    Every member is a plain relative path below one folder, which is named after the archive. The
    same results make the same bytes.

    Args:
        vectors, blocks: see `laid_out`.

    Raises:
        UsageError: for another ending, a file that is there already, no results, or a place that
            cannot be written.
    """
    kind = next((kind for kind in KINDS if target.name[1:].endswith(kind)), None)
    if kind is None:
        raise UsageError(f"--output {target}: a name that ends in {', '.join(KINDS)} was expected.")
    if target.exists() or target.is_symlink():
        raise UsageError(f"--output {target}: there is such a file already; name another.")
    top = folder_name(target.name.removesuffix(kind))
    try:
        with laid_out(store, entries, vectors, blocks) as folder:
            target.parent.mkdir(parents=True, exist_ok=True)
            members = list(_members(folder, entries, top))
            with whole_file(target) as new:
                (_zip if kind == ".zip" else _tar)(new, members)
    except OSError as error:
        raise UsageError(
            f"--output {target} cannot be written: {reason(error)}. Nothing was left there."
        ) from error


def _members(folder: Path, entries: Sequence[Entry], top: str) -> Iterator[Member]:
    """The files of each result, its manifest last."""
    for entry in sorted(entries, key=lambda entry: entry.path):
        written = datetime.fromisoformat(entry.manifest["written"])
        files = sorted((folder / entry.path).iterdir(), key=lambda file: file.name)
        for file in sorted(files, key=lambda file: file.name == MANIFEST):
            yield f"{top}/{entry.path.as_posix()}/{file.name}", file, written


def _tar(new: Path, members: Sequence[Member]) -> None:
    # Without a name and a time in it, so that the same results make the same bytes.
    with (
        new.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        tarfile.TarFile(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, file, written in members:
            member = tarfile.TarInfo(name)
            member.mtime, member.size = int(written.timestamp()), file.stat().st_size
            with file.open("rb") as source:
                archive.addfile(member, source)


def _zip(new: Path, members: Sequence[Member]) -> None:
    with zipfile.ZipFile(new, "x", zipfile.ZIP_DEFLATED) as archive:
        for name, file, written in members:
            member = zipfile.ZipInfo(name, written.astimezone(UTC).timetuple()[:6])
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o100644 << 16
            member.file_size = file.stat().st_size  # says whether it needs the form of large files
            with file.open("rb") as source, archive.open(member, "w") as into:
                shutil.copyfileobj(source, into)
