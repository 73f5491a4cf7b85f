"""How a result came to be: versions, commit, device. Never a key, a user's name or a path."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvsight.models import ModelSource
from tvsight.models.embedded import PACKAGE
from tvsight.run.revisions import DEFAULT

if TYPE_CHECKING:
    from tvsight.models.loading import Model

PACKAGES = ("tvsight", "nnsight", "torch", "transformers", "tokenizers", "numpy", "pandas")


def provenance(model: "Model", weights: str, seconds: float) -> dict[str, Any]:
    """What a manifest says besides the identity.

    Args:
        weights: the part of the identity that `models.weights_identity` gave.
    """
    import hashlib

    from tvsight.models.precision import TIE

    tokenizer = model.tokenizer.backend_tokenizer.to_str()
    return {
        "source": model_source(model.source, weights),
        "versions": {name: package_version(name) for name in PACKAGES} | _python(),
        "commit": git_commit(),
        "device": model.device,
        "tie_margin": TIE[model.dtype],
        "tokenizer_sha256": hashlib.sha256(tokenizer.encode()).hexdigest(),
        "seconds": round(seconds, 3),
    }


def model_source(source: ModelSource, weights: str) -> dict[str, Any]:
    """Where the weights came from: `kind` is `hub`, `package` or `directory`; `id` names it there;
    `revision` is the commit, or the package's version, and None for a directory; `asked` says for
    a hub model by which names that commit was asked for."""
    if source.kind == "hub":
        commit = weights.removeprefix("commit:")
        asked = [source.revision or DEFAULT]
        return {"kind": "hub", "id": source.location, "revision": commit, "asked": asked}
    if source.kind == "embedded":
        return {"kind": "package", "id": PACKAGE, "revision": package_version(PACKAGE)}
    return {"kind": "directory", "id": source.name, "revision": None}


def package_version(name: str) -> str:
    """Version of an installed package, or `not installed` (a source tree that is on the path)."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def git_commit() -> dict[str, Any] | None:
    """Commit of the source tree that tvsight runs from, and whether files in it were changed."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", "tvsight", "analyses")
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"id": commit, "changed_files": bool(changed)}


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _python() -> dict[str, str]:
    return {"python": platform.python_version()}
