"""Files of vectors, read back by other readers than those that wrote them."""

import shutil
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFReader
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import tvsight
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.errors import Remark, UsageError
from tvsight.library.model import LoadedModel
from tvsight.library.vector import Vector
from tvsight.models import weights_identity


def test_a_file_has_the_values_and_plain_texts_about_them(theta: Vector, tmp_path: Path) -> None:
    theta.save(str(tmp_path / "theta.safetensors"))
    with safe_open(tmp_path / "theta.safetensors", framework="pt") as file:
        about = file.metadata()
        assert torch.equal(file.get_tensor("values"), theta.values)
    assert about == {
        **{"model": theta.model.name, "task": "to_upper", "kind": "task_vector", "layer": "2"},
        **{"adds": "False", "spaced": "True", "template": "example:{x}->{y}\n"},
        **{"version": tvsight.__version__, "revision": "", "dtype": "float32"},
        "weights": weights_identity(theta.model.source),
    }
    assert [path.name for path in tmp_path.iterdir()] == ["theta.safetensors"]


@pytest.mark.parametrize("changes", [{"adds": True}, {"spaced": False, "template": "arrow"}])
def test_what_decides_an_answer_returns(
    theta: Vector, changes: dict[str, Any], tmp_path: Path
) -> None:
    saved = replace(theta, **changes)
    saved.save(tmp_path / "theta")
    read = tvsight.read_vector(theta.model, tmp_path / "theta")
    for name in ("task", "layer", "kind", "adds", "template", "spaced", "report", "origin"):
        assert getattr(read, name) == getattr(saved, name), name


@pytest.mark.parametrize("changes", [{"name": "other"}, {"dtype": "bfloat16"}], ids=str)
def test_another_name_or_precision_of_the_weights_is_said(
    theta: Vector, changes: dict[str, str], tmp_path: Path
) -> None:
    origin = theta.origin
    assert origin is not None
    named = {"model" if name == "name" else name: value for name, value in changes.items()}
    replace(theta, origin=origin._replace(**named)).save(tmp_path / "theta")
    with pytest.warns(
        Remark, match=rf"was extracted with .*{named.popitem()[1]}.*, not with local-gpt2 "
    ):
        read = tvsight.read_vector(theta.model, tmp_path / "theta")
    read.save(tmp_path / "again")  # which says no more than is known
    with safe_open(tmp_path / "again", framework="pt") as file:
        assert [file.metadata()[name] for name in ("model", "dtype")] == [
            changes.get("name", "local-gpt2"),
            changes.get("dtype", "float32"),
        ]


@pytest.fixture(scope="module")
def others(theta: Vector, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A model of the same folder name and shape with other weights."""
    source = Path(theta.model.source.location)
    folder = tmp_path_factory.mktemp("others") / source.name
    shutil.copytree(source, folder)
    tensors = load_file(folder / "model.safetensors")
    changed = {name: 1.01 * values for name, values in tensors.items()}
    save_file(changed, folder / "model.safetensors", {"format": "pt"})
    return tvsight.load(folder, device="cpu")


def test_a_vector_of_other_weights_is_refused_with_both_named(
    theta: Vector, others: LoadedModel, tmp_path: Path
) -> None:
    assert others.name == theta.model.name
    digests = [weights_identity(model.source)[:19] for model in (theta.model, others)]
    assert digests[0] != digests[1]
    told = r"^vector: it was extracted with local-gpt2 \({}, float32\), and the model is .* \({}, "
    theta.save(tmp_path / "theta")
    calls: list[Callable[[], object]] = [
        lambda: tvsight.read_vector(others, tmp_path / "theta"),
        lambda: replace(theta, model=others),
    ]
    for call in calls:
        with pytest.raises(UsageError, match=told.format(*digests)):
            call()
    with pytest.raises(UsageError, match=told.format(*digests[::-1])):
        replace(Vector(others, "to_upper", theta.values, 2), model=theta.model)


def damaged(file: Path, without: Sequence[str] = (), **about: str) -> None:
    """Write a file with some metadata changed."""
    with safe_open(file, framework="pt") as read:
        metadata, values = read.metadata(), read.get_tensor("values")
    known = {name: text for name, text in metadata.items() if name not in without}
    save_file({"values": values}, file, known | about)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "absent": Path.unlink,
    "empty": lambda file: file.write_bytes(b""),
    "text": lambda file: file.write_text("values"),
    "no metadata": lambda file: save_file({"values": torch.zeros(DEPTH, WIDTH)}, file),
    "no values": lambda file: save_file({"x": torch.zeros(1)}, file),
    "layer": lambda file: damaged(file, layer="two"),
    "block": lambda file: damaged(file, layer="99"),
    "report": lambda file: damaged(file, report="{}"),
    "report text": lambda file: damaged(file, report="["),
    "shape": lambda file: save_file({"values": torch.zeros(1, 2)}, file),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_in_one_line(theta: Vector, damage: str, tmp_path: Path) -> None:
    file = tmp_path / "theta.safetensors"
    theta.save(file)
    DAMAGES[damage](file)
    with pytest.raises(UsageError) as refused:
        tvsight.read_vector(theta.model, file)
    assert "\n" not in str(refused.value)


ABOUT = {
    **{"model": "local-gpt2", "dtype": "float32", "task": "to_upper", "kind": "task_vector"},
    **{"operation": "overwrite", "site": "residual stream after the block", "layer_base": 0},
    **{"read_token": -1, "layer": 2, "template": "example:{x}->{y}\n", "spaced": "True"},
    "version": tvsight.__version__,
}


@pytest.mark.parametrize("layer", [None, DEPTH - 1])
def test_a_control_vector_has_one_direction(
    theta: Vector, layer: int | None, tmp_path: Path
) -> None:
    with pytest.warns(Remark, match=r"^llama.cpp adds this vector at every position; tvsight repl"):
        theta.save_gguf(tmp_path / "theta.gguf", layer)
    read = GGUFReader(tmp_path / "theta.gguf")
    block = theta.layer if layer is None else layer
    (tensor,) = read.tensors
    assert (tensor.name, tensor.tensor_type.name) == (f"direction.{block}", "F32")
    assert list(tensor.shape) == [WIDTH]
    assert torch.equal(torch.tensor(tensor.data), theta.values[block])
    known = {name: field.contents() for name, field in read.fields.items()}
    assert known["general.architecture"] == "controlvector"
    assert known["controlvector.model_hint"] == "gpt2"
    assert known["controlvector.layer_count"] == 1
    assert known["tvsight.weights"] == weights_identity(theta.model.source)
    assert {name: known[f"tvsight.{name}"] for name in ABOUT} == ABOUT | {"layer": block}
    with pytest.raises(UsageError, match=r"^layer: llama.cpp adds nothing after block 0"):
        theta.save_gguf(tmp_path / "first.gguf", 0)
    for write in (theta.save, theta.save_gguf):
        with pytest.raises(UsageError, match=r"absent.theta cannot be written: No such file"):
            write(tmp_path / "absent" / "theta")
    assert [path.name for path in tmp_path.iterdir()] == ["theta.gguf"]


def test_without_gguf_the_command_that_installs_it_is_named(
    theta: Vector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(UsageError, match=r'pip install "tvsight\[embedded\]"'):
        theta.save_gguf(tmp_path / "theta.gguf")


def test_an_added_vector_is_exported_as_it_is_applied(
    theta: Vector, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    replace(theta, adds=True).save_gguf(tmp_path / "theta.gguf")
    assert [*recwarn] == []
    fields = GGUFReader(tmp_path / "theta.gguf").fields
    assert fields["tvsight.operation"].contents() == "add"


@pytest.mark.parametrize("path", [None, "", "a\0b"], ids=repr)
def test_what_is_no_path_is_refused(theta: Vector, path: Any) -> None:
    for use in (theta.save, theta.save_gguf, lambda file: tvsight.read_vector(theta.model, file)):
        with pytest.raises(UsageError, match=r"^path: expected the path of a file, got "):
            use(path)


@pytest.mark.parametrize("kind", ["safetensors", "gguf"])
def test_a_file_of_somebody_else_stays_and_an_own_one_is_replaced(
    theta: Vector, tmp_path: Path, kind: str
) -> None:
    foreign, own = tmp_path / f"foreign.{kind}", tmp_path / f"own.{kind}"
    write = theta.save if kind == "safetensors" else theta.save_gguf
    save_file({"values": theta.values}, foreign)  # of the format, but no vector of tvsight
    before = foreign.read_bytes()
    with pytest.raises(UsageError, match=rf"did not write foreign\.{kind}"):
        write(foreign)
    assert foreign.read_bytes() == before
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Remark)
        for _ in range(2):
            write(own)
    assert len(list(tmp_path.iterdir())) == 2
