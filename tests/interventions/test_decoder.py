"""The standard view of a decoder: what has one, and what it refuses."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.helpers.tiny_models import configuration, tokenizer
from tvsight.errors import UsageError
from tvsight.interventions.decoder import Decoder, adapt
from tvsight.models.loading import load


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("T5Config", "T5Config is an encoder-decoder"),
        ("BartConfig", "BartConfig is an encoder-decoder"),
        ("XLNetConfig", "XLNetLMHeadModel"),
        ("MambaConfig", "MambaForCausalLM"),
    ],
)
def test_an_architecture_without_a_standard_view_is_refused_by_name(
    config: str, named: str, tmp_path: Path
) -> None:
    directory = tmp_path / "checkpoint"
    configuration(config, num_hidden_layers=1).save_pretrained(directory)
    tokenizer().save_pretrained(directory)
    with pytest.raises(UsageError, match=named):
        load(str(directory), device="cpu")


def test_a_stream_of_another_form_is_refused_wherever_it_is_touched(decoder: Decoder) -> None:
    block = SimpleNamespace(output=torch.zeros(1, decoder.width))
    narrow = torch.zeros(1, 1, decoder.width - 1)
    told = rf"residual stream \[rows, positions, {decoder.width}\] was expected"
    for touch in (
        lambda: decoder.read(block),
        lambda: decoder.write(block, narrow),
        lambda: decoder.skip(block, narrow),
    ):
        with pytest.raises(UsageError, match=told):
            touch()


@pytest.mark.parametrize(
    ("part", "paths"),
    [
        (
            "blocks",
            "model.layers, model.language_model.layers, transformer.h, gpt_neox.layers, "
            "model.decoder.layers",
        ),
        ("unembed", "embed_out, lm_head"),
    ],
)
def test_a_part_that_is_missing_is_named_with_every_place_where_it_was_sought(
    part: str, paths: str
) -> None:
    parts = {"blocks": [], "unembed": None}
    del parts[part]
    with pytest.raises(UsageError) as caught:
        adapt(SimpleNamespace(_module=torch.nn.Identity(), **parts))
    wanted = f"The architecture Identity is not supported: no {part} at any of {paths}."
    assert str(caught.value) == wanted
