from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from tvsight.errors import UsageError
from tvsight.models import load
from tvsight.models.decoder import Decoder


def test_a_model_whose_positions_padding_shifts_is_refused(
    tiny_checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = Decoder.inputs

    def without_positions(self: Decoder, ids: Tensor, mask: Tensor) -> dict[str, Tensor]:
        given = inputs(self, ids, mask)
        del given["position_ids"]
        return given

    monkeypatch.setattr(Decoder, "inputs", without_positions)
    with pytest.raises(UsageError, match=r"GPT2LMHeadModel is not supported: a prompt that contin"):
        load(str(tiny_checkpoint("gpt2")), device="cpu")


def test_a_model_whose_logits_are_made_otherwise_is_refused(
    tiny_checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    readout = Decoder.readout

    def scaled(self: Decoder, states: Tensor) -> Any:
        return 2 * readout(self, states)

    monkeypatch.setattr(Decoder, "readout", scaled)
    with pytest.raises(UsageError, match="differs from the model's logits"):
        load(str(tiny_checkpoint("llama")), device="cpu")
