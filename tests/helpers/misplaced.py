"""Vectors that are applied one block too low, as a wrong adapter of an architecture would."""

from typing import Any

import pytest

from tvsight.interventions import application
from tvsight.interventions.decoder import Decoder
from tvsight.protocol import conditions


def misplace(monkeypatch: pytest.MonkeyPatch) -> None:
    apply_vectors = application.apply_vectors

    def one_block_too_low(decoder: Decoder, prompts: Any, chosen: Any, layers: Any, v: Any) -> Any:
        return apply_vectors(decoder, prompts, chosen, [max(0, n - 1) for n in layers], v)

    monkeypatch.setattr(conditions, "apply_vectors", one_block_too_low)
