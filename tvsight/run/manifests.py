"""Read the manifests of a model's results, each once in a command."""

from pathlib import Path
from typing import Any

from tvsight.storage.store import DamagedResult, Store
from tvsight.storage.versions import LaterVersion


class Manifests:
    """The manifests of a results folder, as they were when they were first read."""

    def __init__(self) -> None:
        self._read: dict[Path, dict[str, Any]] = {}

    def of(self, store: Store, model: str) -> tuple[dict[Path, dict[str, Any]], dict[Path, str]]:
        """The manifests of a model's results by folder, and the damage of those that cannot be
        used."""
        usable: dict[Path, dict[str, Any]] = {}
        unusable: dict[Path, str] = {}
        for path in store.paths(model=model):
            try:
                usable[path] = self._read[path] = self._read.get(path) or store.read_manifest(path)
            except (DamagedResult, LaterVersion) as found:
                unusable[path] = left_out(found)
        return usable, unusable

    def forget(self, path: Path) -> None:
        """Read the manifest of a result again when it is asked for, because it may have changed."""
        self._read.pop(path, None)


def left_out(found: Exception) -> str:
    """The reason why a result is not shown."""
    return f"{'Damaged, left' if isinstance(found, DamagedResult) else 'Left'} out: {found}"
