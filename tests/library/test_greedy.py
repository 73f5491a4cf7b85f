"""Greedy text, whatever a checkpoint's settings of generation say."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import AddedToken, GenerationConfig

import tvsight
from tvsight.interventions.steering import end_tokens
from tvsight.library import measure
from tvsight.library.model import LoadedModel
from tvsight.library.vector import Vector

TEXT, TOKENS = "hot cold big", 8
GROUPS: list[dict[str, Any]] = [
    {"do_sample": True, "temperature": 5.0, "top_k": 3, "top_p": 0.5, "min_p": 0.2},
    {"top_h": 0.5, "typical_p": 0.3, "epsilon_cutoff": 0.1, "eta_cutoff": 0.1},
    {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.5, "early_stopping": True},
    {"length_penalty": 3.0, "num_return_sequences": 3, "constraints": [1]},
    {"force_words_ids": [[9]], "repetition_penalty": 9.0, "encoder_repetition_penalty": 9.0},
    {"no_repeat_ngram_size": 1, "encoder_no_repeat_ngram_size": 1, "bad_words_ids": [[9], [8]]},
    {"sequence_bias": [[[9], 99.0]], "guidance_scale": 3.0, "penalty_alpha": 0.6},
    {"forced_bos_token_id": 9, "forced_eos_token_id": 9, "suppress_tokens": list(range(10, 250))},
    {"begin_suppress_tokens": list(range(10, 250)), "exponential_decay_length_penalty": [1, 9.0]},
    {"min_length": 40, "min_new_tokens": 30, "max_length": 5, "max_new_tokens": 2},
    {"max_time": 1e-9, "stop_strings": ["a", "o", " "], "token_healing": True},
    {"remove_invalid_values": True, "renormalize_logits": True, "low_memory": True},
    {"watermarking_config": {"greenlist_ratio": 0.5, "bias": 50.0}, "dola_layers": "high"},
    {"prompt_lookup_num_tokens": 3, "max_matching_ngram_size": 2, "assistant_early_exit": 2},
    {"num_assistant_tokens": 4, "assistant_confidence_threshold": 0.9, "is_assistant": True},
    {"num_assistant_tokens_schedule": "constant", "assistant_lookbehind": 3, "use_mtp": True},
    {"target_lookbehind": 3, "assistant_ensemble_weight": 0.5, "speculation_type": "dflash"},
    {"use_cache": False, "cache_implementation": "static", "cache_config": {"nbits": 4}},
    {"max_cache_len": 2, "prefill_chunk_size": 1, "bos_token_id": 9},
    {"disable_compile": True, "continuous_batching_config": {}, "decoder_start_token_id": 9},
    {"output_attentions": True, "output_hidden_states": True, "output_scores": True},
    {"output_logits": True, "return_dict_in_generate": True, "pad_token_id": 9},
]
SETTINGS = {name: value for group in GROUPS for name, value in group.items()}


def tokens(model: LoadedModel) -> list[int]:
    """What `model.generate` writes."""
    prompt = {"prompts": [model.tokenizer(TEXT).input_ids]}
    return model.run(measure.generated, prompt, TOKENS, [])[0]


def written(model: LoadedModel, theta: Vector) -> list[list[int]]:
    """What a model writes: plain, steered, and after a patch."""
    prompt, patch = {"prompts": [model.tokenizer(TEXT).input_ids]}, (2, theta.values[2])
    return [
        tokens(model),
        model.run(measure.generated, prompt, TOKENS, [patch])[0],
        model.run(measure.answers, prompt, patch, False, TOKENS)[0],
    ]


def texts(model: LoadedModel, theta: Vector) -> list[str]:
    """What the functions of the library say."""
    vector = Vector(model, "to_upper", theta.values, 2)
    plain = [model.generate(TEXT, TOKENS), tvsight.answer(model, " hot")]
    with vector.steering(2):
        steered = model.generate(TEXT, TOKENS)
    return [*plain, steered, vector.apply("hot", tokens=TOKENS)]


@pytest.fixture(scope="module")
def expected(theta: Vector) -> list[list[int]]:
    return written(theta.model, theta)


@pytest.fixture(params=["here", "simulated server"])
def asked(
    request: pytest.FixtureRequest, model: LoadedModel, simulated: LoadedModel
) -> Iterator[LoadedModel]:
    """A model whose settings are as they were afterwards."""
    found = model if request.param == "here" else simulated
    module = found.decoder.nn._module
    before = module.generation_config
    yield found
    module.generation_config = before


def configured(folder: Path, model: LoadedModel, **settings: Any) -> None:
    """Give a model the settings of a file, as loading does."""
    known = model.decoder.nn._module.generation_config.to_diff_dict()
    (folder / "generation_config.json").write_text(json.dumps(known | settings))
    model.decoder.nn._module.generation_config = GenerationConfig.from_pretrained(folder)


@pytest.mark.filterwarnings("ignore")  # transformers' own, about settings that do not go together
@pytest.mark.parametrize("group", GROUPS, ids=lambda group: next(iter(group)))
def test_no_setting_changes_a_text(
    asked: LoadedModel,
    theta: Vector,
    expected: list[list[int]],
    group: dict[str, Any],
    tmp_path: Path,
) -> None:
    # Some settings are read with sampling alone.
    configured(tmp_path, asked, **{"do_sample": True, **group})
    config = asked.decoder.nn._module.generation_config
    assert all(getattr(config, setting) is not None for setting in group)
    assert written(asked, theta) == expected


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file", ["generation_config.json", "config.json"])
def test_a_checkpoint_with_every_setting_loads_and_writes_the_same(
    checkpoint: Path, theta: Vector, expected: list[list[int]], file: str, tmp_path: Path
) -> None:
    folder = tmp_path / checkpoint.name
    shutil.copytree(checkpoint, folder)
    path = folder / file
    known = json.loads(path.read_text()) if path.exists() else {}
    plain = {name: value for name, value in SETTINGS.items() if name not in known}
    path.write_text(json.dumps(known | plain))
    model = tvsight.load(folder, device="cpu")
    assert written(model, theta) == expected
    assert texts(model, theta) == texts(theta.model, theta)


@pytest.mark.parametrize("ends", [3, [5, 3], None])
def test_a_text_ends_where_the_checkpoint_says(
    asked: LoadedModel, ends: Any, tmp_path: Path
) -> None:
    whole = tokens(asked)
    assert len(whole) == TOKENS
    places = ends if isinstance(ends, list) else [] if ends is None else [ends]
    stops = [whole[place] for place in places]
    chosen = stops if isinstance(ends, list) else None if ends is None else stops[0]
    configured(tmp_path, asked, eos_token_id=chosen)
    length = next((at + 1 for at, token in enumerate(whole) if token in stops), TOKENS)
    assert tokens(asked) == whole[:length]


def test_a_text_ends_before_a_token_that_is_no_text(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, found = model.generate(TEXT, TOKENS), tokens(model)
    last = found[-1]
    added = {last: AddedToken("<start_of_image>"), 3: AddedToken("<table>")}
    monkeypatch.setattr(type(model.tokenizer), "added_tokens_decoder", added)
    monkeypatch.delitem(vars(model), "_ends")
    kept = found[: found.index(last)]
    assert model.generate(TEXT, TOKENS) == model.tokenizer.decode(kept) != text
    monkeypatch.undo()
    del vars(model)["_ends"]


@pytest.mark.parametrize(
    ("setting", "ends"),
    [(None, set()), (3, {3}), ([3, 4], {3, 4}), ([[3], [4]], {3, 4}), ("</s>", set())],
)
def test_every_form_of_the_tokens_that_end_a_text_is_read(setting: Any, ends: set[int]) -> None:
    config = SimpleNamespace(eos_token_id=setting)
    assert end_tokens(SimpleNamespace(generation_config=config)) == ends
