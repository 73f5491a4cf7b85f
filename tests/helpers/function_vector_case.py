"""A model, the same in plain PyTorch, and drawn heads of three tasks, for function vectors."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from tests.helpers.method_prompts import Split, dummies, few_shot, method_prompts
from tests.helpers.reference_heads import HeadsReference
from tests.helpers.tiny_models import DEPTH, HEADS, WIDTH
from tvsight.experiments.function_vectors.measure import ExtractedHeads
from tvsight.models.loading import Model, load
from tvsight.prompts.tokens import PromptTokens

EVERY = [(layer, head) for layer in range(DEPTH) for head in range(HEADS)]


class Case(NamedTuple):
    """A model, the same in plain PyTorch, prompts, and means and rankings of three tasks."""

    model: Model
    reference: HeadsReference
    prompts: Split
    extracted: ExtractedHeads


def make_case(checkpoint: Path) -> Case:
    """The models of a tiny checkpoint, and drawn means and rankings."""
    model = load(str(checkpoint), device="cpu")
    generator = torch.Generator().manual_seed(0)
    shape = (3, DEPTH, HEADS, model.decoder.attention.head_width)
    orders = [torch.randperm(len(EVERY), generator=generator).tolist() for _ in range(3)]
    extracted: ExtractedHeads = {
        "means": 2 * torch.randn(shape, generator=generator),
        "ranking": [[EVERY[place] for place in order] for order in orders],
        "own": 1,
        "counts": [1, 3, 5],
        "heads": 3,
        "random_heads": [EVERY[2:5], EVERY[9:12]],
        "seed": 7,
    }
    assert model.decoder.width == WIDTH
    return Case(model, HeadsReference(checkpoint), method_prompts(model), extracted)


def extracted_from(case: Case, tokens: PromptTokens) -> dict[str, Tensor]:
    """The vectors of the other methods for the episodes of a split, `[episodes, depth, width]`,
    from prompts with the right labels; the mean state is that of dev."""
    own = torch.stack(
        [
            torch.stack([case.reference.residual_streams(prompt) for prompt in prompts]).mean(dim=0)
            for prompts in dummies(tokens)
        ]
    )
    of_dev = [case.reference.residual_streams(prompt) for prompt in few_shot(case.prompts.dev)]
    return {
        "task_vector": own,
        "averaged_vector": torch.stack([own[others].mean(dim=0) for others in tokens["others"]]),
        "mean_state": torch.stack(of_dev).mean(dim=0).expand(own.shape),
    }
