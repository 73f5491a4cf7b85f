"""The origin of a result: versions, commit, device. It holds no key, user's name or path."""

import hashlib
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvsight.models import ModelSource
from tvsight.run.revisions import DEFAULT

if TYPE_CHECKING:
    from tvsight.models.loading import Model

PACKAGES = ("tvsight", "nnsight", "torch", "transformers", "tokenizers", "numpy", "pandas")


def provenance(model: "Model", weights: str, seconds: float) -> dict[str, Any]:
    """The entries of a manifest besides the identity.

    Args:
        weights: the part of the identity that `models.weights_identity` gave.
    """
    from tvsight.models.precision import TIE  # imports torch: only after the options are validated

    versions = {name: package_version(name) for name in PACKAGES}
    tokenizer = model.tokenizer.backend_tokenizer.to_str()
    return {
        "source": model_source(model.source, weights),
        "versions": versions | {"python": platform.python_version()},
        "commit": git_commit(),
        "device": model.device,
        "tie_margin": TIE[model.dtype],
        "tokenizer_sha256": hashlib.sha256(tokenizer.encode()).hexdigest(),
        "seconds": round(seconds, 3),
    }


def model_source(source: ModelSource, weights: str) -> dict[str, Any]:
    """The origin of the weights: `kind` is `hub`, `package` or `directory`; `id` is the name there;
    `revision` is the commit, the package's version, or None for a directory; `asked` lists the
    names under which the commit of a hub model was asked for."""
    if source.kind == "hub":
        commit = weights.removeprefix("commit:")
        asked = [source.revision or DEFAULT]
        return {"kind": "hub", "id": source.location, "revision": commit, "asked": asked}
    if source.package is not None:
        name = source.package.name
        return {"kind": "package", "id": name, "revision": package_version(name)}
    return {"kind": "directory", "id": source.name, "revision": None}


def package_version(name: str) -> str:
    """The version of an installed package, or `not installed` (a source tree on the path)."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def git_commit() -> dict[str, Any] | None:
    """The commit of the source tree that tvsight runs from, and whether its files were changed."""
    root = Path(__file__).resolve().parents[2]
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
