"""Changes of a checkpoint on disk, and the error of a load that refuses it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
from safetensors.torch import load_file, save_file
from torch import Tensor

from tvsight.errors import UsageError
from tvsight.models.loading import load

Weights = dict[str, Tensor]


def configure(path: Path, **fields: Any) -> Path:
    file = path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))
    return path


def reweigh(path: Path, change: Callable[[Weights], Weights]) -> Path:
    file = path / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})
    return path


def without(path: Path, *parts: str) -> Path:
    def lessened(weights: Weights) -> Weights:
        return {n: t for n, t in weights.items() if not any(part in n for part in parts)}

    return reweigh(path, lessened)


def having(path: Path, **tensors: Tensor) -> Path:
    return reweigh(path, lambda weights: weights | tensors)


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(UsageError) as refused:
        load(str(path), device="cpu", **options)
    message = str(refused.value)
    assert "\n" not in message
    return message


def ask(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process ask a hub at an address."""
    files = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
