"""Task vectors of zeros, of tiny models that have measured nothing."""

from pathlib import Path

import torch
from torch import Tensor

from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.storage.manifests import Key
from tvsight.storage.store import Store
from tvsight.storage.task_vectors import TaskVectors


class ZeroVectors(TaskVectors):
    """The vectors of some tasks of a model."""

    def __init__(self, model: str, *tasks: str) -> None:
        super().__init__(Store("/nowhere"), {Key(model, task): Path(task) for task in tasks})

    def mean(self, model: str, task: str) -> Tensor:
        return torch.zeros(DEPTH, WIDTH)

    def norms(self, model: str, task: str, split: str) -> Tensor:
        return torch.zeros(1, DEPTH)

    def distances(self, model: str, task: str, split: str, origin: Tensor) -> Tensor:
        return torch.zeros(1, DEPTH)
