"""Results have the identity of the weights that were loaded: on disk, and in memory."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file, save_file

import tvsight
from tests.helpers.changed_checkpoints import ask, configure, refusal
from tests.helpers.commands import ran
from tests.helpers.small_runs import Measuring, run
from tests.ndif.hub import Hub, Repository
from tvsight.config import RunConfig
from tvsight.errors import RefusedError, UsageError
from tvsight.models import loading, weights_identity
from tvsight.models.loading import Model, load
from tvsight.models.weights import changes, fingerprint
from tvsight.protocol.central import requests
from tvsight.storage.store import Store

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


@pytest.fixture
def mine(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint("llama"), tmp_path / "mine"))


def heavier(path: Path) -> None:
    """Other weights in the place of those of a checkpoint, as a training run writes them."""
    tensors = {name: 2 * tensor for name, tensor in load_file(path / WEIGHTS).items()}
    save_file(tensors, path / "new", metadata={"format": "pt"})
    (path / "new").replace(path / WEIGHTS)


def config_of(path: Path, results: Path, **options: Any) -> RunConfig:
    known = {"tasks": "to_upper,next_letter", "shots": 3, "episodes_per_split": 6, "device": "cpu"}
    return RunConfig(**known | {"model": (str(path),), "results": str(results)} | options)


def indexed(path: Path, part: str, moved: str | None = None) -> Path:
    """The checkpoint with an index that names one file of weights."""
    names = load_file(path / WEIGHTS)
    place = path / (part if moved is None else moved)
    place.parent.mkdir(exist_ok=True)
    (path / WEIGHTS).rename(place)
    (path / INDEX).write_text(
        json.dumps({"metadata": {}, "weight_map": dict.fromkeys(names, part)})
    )
    return path


@pytest.mark.parametrize(
    ("part", "moved"),
    [
        ("../elsewhere.safetensors", None),
        (".hidden/model.safetensors", None),
        ("w.bin", None),
        ("gone.safetensors", "there.safetensors"),
    ],
)
def test_an_index_that_leads_elsewhere_is_refused(mine: Path, part: str, moved: str | None) -> None:
    message = refusal(indexed(mine, part, moved), allow_pickled_weights=True)
    assert f"{INDEX} names {part!r}" in message


def test_parts_inside_and_links_by_content_are_read(mine: Path) -> None:
    identity = load(str(mine), device="cpu").weights
    (mine / WEIGHTS).rename(mine.parent / "blob")
    (mine / WEIGHTS).symlink_to(mine.parent / "blob")
    assert load(str(mine), device="cpu").weights == identity
    (mine / WEIGHTS).unlink()
    shutil.copy(mine.parent / "blob", mine / WEIGHTS)
    assert load(str(indexed(mine, "part-1.safetensors")), device="cpu").weights != identity


def test_adapters_and_code_of_other_repositories_are_refused(mine: Path) -> None:
    (mine / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "a/b"}))
    assert "is an adapter, whose base model lies elsewhere" in refusal(mine)
    (mine / "adapter_config.json").unlink()
    configure(mine, transformers_weights="../other.safetensors")
    assert "config.json names '../other.safetensors'" in refusal(mine)
    configure(mine, transformers_weights=None, auto_map={"AutoConfig": "a/b--code.Config"})
    assert "auto_map names 'a/b--code.Config'" in refusal(mine, trust_remote_code=True)
    inner = {"auto_map": {"AutoModel": ["own.Model", "c/d--code.Model"]}}
    configure(mine, auto_map=None, text_config=inner)
    assert "auto_map names 'c/d--code.Model'" in refusal(mine, trust_remote_code=True)
    configure(mine, auto_map={}, text_config=None)
    assert load(str(mine), device="cpu").name == "mine"  # its own class: no code is run


@pytest.mark.parametrize("statement", ["raise SystemExit(0)", "raise SystemExit"])
def test_code_of_a_checkpoint_that_ends_the_process_is_a_refusal(
    mine: Path, statement: str
) -> None:
    (mine / "own.py").write_text(statement)
    configure(mine, model_type="own", auto_map={"AutoConfig": "own.Config"})
    assert "The configuration of mine cannot be used: SystemExit" in refusal(
        mine, trust_remote_code=True
    )


def test_a_hub_model_whose_index_names_a_pickle_is_refused_before_its_weights_are_fetched(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository("local/mine", indexed(mine, "w.bin"))
    with Hub(0, [repository]).served() as hub:
        ask(hub.url, monkeypatch)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        with pytest.raises(UsageError, match=f"{INDEX} names 'w.bin'"):
            load("local/mine", device="cpu")
    assert not any("w.bin" in path for path in hub.asked)


def test_a_checkpoint_that_changes_while_it_is_loaded_is_refused(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validate = loading.validate

    def meanwhile(decoder: Any) -> None:
        heavier(mine)
        validate(decoder)

    monkeypatch.setattr(loading, "validate", meanwhile)
    assert "changed while it was loaded" in refusal(mine)


def test_a_checkpoint_replaced_while_a_command_runs_ends_it_and_stores_no_more(
    mine: Path, tmp_path: Path
) -> None:
    config, identity = config_of(mine, tmp_path / "results"), weights_identity
    first = identity(load(str(mine), device="cpu").source)

    class Replacing(Measuring):
        def steps(self, request: Any, model: Model) -> Any:
            if self.asked:
                heavier(mine)
            return super().steps(request, model)

    with pytest.raises(RefusedError, match="mine changed since it was loaded"):
        run(config, Replacing())
    (path,) = Store(config.results).paths()
    assert Store(config.results).read_manifest(path)["identity"]["weights"] == first


@pytest.mark.parametrize("change", ["settings", "weights"])
def test_a_checkpoint_replaced_between_load_and_measure_is_refused(
    mine: Path, tmp_path: Path, change: str
) -> None:
    model = tvsight.load(mine, device="cpu")
    if change == "weights":
        heavier(mine)
    else:
        (mine / "generation_config.json").write_text(json.dumps({"eos_token_id": 7}))
    options = {"shots": 3, "episodes_per_split": 6}
    with pytest.raises(RefusedError, match="mine changed since it was loaded"):
        tvsight.measure(model, ["to_upper"], tmp_path / "results", **options)
    assert list(Store(str(tmp_path / "results")).paths()) == []


def change_matrix(model: Model) -> None:
    with torch.no_grad():
        model.decoder.nn._module.model.layers[1].mlp.up_proj.weight[0].zero_()


def swap_rows(model: Model) -> None:
    weight = model.decoder.nn._module.model.embed_tokens.weight
    with torch.no_grad():
        weight[[0, 90]] = weight[[90, 0]].clone()


def change_scale(model: Model) -> None:
    model.decoder.nn._module.model.layers[0].self_attn.scaling *= 2


def change_activation(model: Model) -> None:
    model.decoder.nn._module.model.layers[0].mlp.act_fn = torch.nn.Identity()


def change_epsilon(model: Model) -> None:
    model.decoder.nn._module.config.rms_norm_eps = 1.0


def change_end(model: Model) -> None:
    model.decoder.nn._module.generation_config.eos_token_id = 7


def change_beginning(model: Model) -> None:
    model.tokenizer.backend_tokenizer.post_processor = None


def add_word(model: Model) -> None:
    model.tokenizer.add_tokens(["further"])


def drop_merges(model: Model) -> None:
    model.tokenizer.backend_tokenizer.model.dropout = 1e-6


def rename_attention(model: Model) -> None:
    model.decoder.nn._module.model.layers[3].kind = "another"


def hold_tensor(model: Model) -> None:
    model.decoder.nn._module.model.layers[4].scale = torch.ones(1)


CHANGES: dict[str, Callable[[Model], Any]] = {
    "the settings of model.layers.3": rename_attention,
    "the settings of model.layers.4": hold_tensor,
    "its tokenizer  ": drop_merges,
    "the settings of model.layers.0.self_attn": change_scale,
    "the settings of model.layers.0.mlp.act_fn": change_activation,
    "its configuration": change_epsilon,
    "its settings of generation": change_end,
    "its tokenizer": change_beginning,
    "its tokenizer ": add_word,
    "model.layers.1.mlp.up_proj.weight": change_matrix,
    "model.embed_tokens.weight": swap_rows,
    "the hooks of model.layers.2": lambda model: model.decoder.nn._module.model.layers[
        2
    ].register_forward_hook(lambda *_: None),
}


@pytest.mark.parametrize("named", CHANGES)
def test_a_model_changed_in_memory_is_not_stored_under_its_name(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, named: str
) -> None:
    model = tvsight.load(tiny_checkpoint("llama"), device="cpu")
    zeros = torch.zeros(model.decoder.width)
    tvsight.Vector(model, "own", zeros, 0).save(tmp_path / "theta.safetensors")
    CHANGES[named](model)
    options = {"shots": 3, "episodes_per_split": 6}
    with pytest.raises(RefusedError, match="changed in memory since it was loaded") as refused:
        tvsight.measure(model, ["to_upper"], tmp_path / "results", **options)
    assert named.strip() in str(refused.value)
    with pytest.raises(RefusedError, match="changed in memory"):  # so no file has its name
        tvsight.Vector(model, "own", zeros, 0)
    with pytest.raises(RefusedError, match="changed in memory"):
        tvsight.read_vector(model, tmp_path / "theta.safetensors")
    assert list(Store(str(tmp_path / "results")).paths()) == []


def test_what_is_changed_for_all_models_is_a_change_of_each(
    tiny_checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tvsight.load(tiny_checkpoint("llama"), device="cpu")
    hook = torch.nn.modules.module.register_module_forward_hook(lambda *_: None)
    with pytest.raises(RefusedError, match="the hooks of all modules"):
        model.check()
    hook.remove()
    model.check()
    kind = type(model.decoder.nn._module.model.norm)
    monkeypatch.setattr(kind, "forward", lambda _, states: states)
    with pytest.raises(RefusedError, match=r"the settings of model\.layers\.0\.input_layernorm"):
        model.check()


@pytest.mark.parametrize("family", ["gemma3", "mixtral"])
def test_measuring_and_steering_leave_the_fingerprint(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    config = config_of(tiny_checkpoint(family), tmp_path, tasks="to_upper")
    assert run(config, requests).failures == {}
    model = tvsight.load(tiny_checkpoint(family), device="cpu")
    model.generate("a text", 3)
    tokens = torch.ones(1, 2, dtype=torch.long)
    model.decoder.nn._module(tokens, output_hidden_states=True)  # its hooks stay, and only read
    model.check()
    assert changes(fingerprint(model.decoder.nn._module, model.tokenizer), model.at_load) == []


OVERWRITTEN = """
import sys, tvsight
model = tvsight.load(sys.argv[1], device="cpu")
before = tvsight.answer(model, "a")
with open(sys.argv[1] + "/model.safetensors", "r+b") as file:
    file.truncate(100)
assert tvsight.answer(model, "a") == before
try:
    model.check()
except tvsight.errors.UsageError as error:
    print(error)
"""


def test_weights_cut_in_place_after_a_load_change_nothing_and_send_no_signal(mine: Path) -> None:
    done = ran("-c", OVERWRITTEN, mine)
    assert (done.returncode, done.stderr) == (0, "")
    assert "changed since it was loaded" in done.stdout
