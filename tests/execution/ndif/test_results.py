"""Results that are whole, and all that a network, a store or a server can make of them."""

import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import zstandard

from benchmarks.memory import peak_gigabytes
from tests.helpers.tiny_llama import EXAMPLE
from tvsight.execution.here import run
from tvsight.execution.jobs import Job
from tvsight.execution.ndif.parcel import _sealed
from tvsight.execution.ndif.results import WrongResult, fingerprint, read, seal, unseal
from tvsight.models.loading import Model
from tvsight.prompts import Episode, tokenise
from tvsight.protocol.measure import measure

ASKED, MOST = "0123456789abcdef", 10_000_000
FLIPS = 600
NUMBERS = torch.arange(6.0)
CONTENT = {"value": {"numbers": NUMBERS, "finite": True}, "dtype": "float32"}


class Shell:
    """What runs a command when a pickle of it is read without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def saved(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def packed(value: Any) -> bytes:
    """As ndif 0.1.2 does it."""
    return zstandard.ZstdCompressor(level=3).compress(saved(value))


def opened(content: bytes) -> dict[str, Any]:
    return unseal(read(content, MOST), ASKED)


@pytest.fixture(scope="module", params=[True, False], ids=["vectors", "rows"])
def measured(model: Model, episodes: list[Episode], request: Any) -> dict[str, Any]:
    """A result as the block leaves it on a server."""
    prompts = tokenise(model, episodes, "exact", EXAMPLE)
    job = Job(measure, (prompts, prompts, request.param))

    def on_the_server(decoder: Any, function: Any, *arguments: Any) -> Any:
        return _sealed(decoder, function, arguments, ASKED)

    return {"result": run(model.decoder, on_the_server, job.function, *job.arguments)}


def test_a_whole_result_is_read_as_it_was(measured: dict[str, Any]) -> None:
    found = opened(packed(measured))
    assert (found["dtype"], found["device"]) == ("float32", "cpu")
    assert fingerprint(found["value"]) == fingerprint(measured["result"]["value"])


@pytest.mark.parametrize("compressed", [True, False], ids=["compressed", "stored"])
def test_no_flipped_bit_changes_a_result(measured: dict[str, Any], compressed: bool) -> None:
    """In what is sent, and in what it is unpacked to."""
    whole = packed(measured) if compressed else saved(measured)
    right = fingerprint(measured["result"] | {"sha256": ""})
    draw = random.Random(0)
    harmless = 0
    for position in draw.sample(range(8 * len(whole)), FLIPS):
        flipped = bytearray(whole)
        flipped[position // 8] ^= 1 << position % 8
        content = bytes(flipped) if compressed else zstandard.compress(bytes(flipped))
        try:
            found = opened(content)
        except WrongResult:
            pass
        else:
            assert fingerprint(found | {"sha256": ""}) == right
            harmless += 1
    assert harmless < FLIPS / 4


def test_a_changed_number_is_recognised_whatever_checksums_a_file_has() -> None:
    """As if a store, or a proxy, had written the file anew."""
    sealed = seal(CONTENT, ASKED)
    for bit in range(8 * NUMBERS.nbytes):
        changed = NUMBERS.clone()
        changed.view(torch.uint8)[bit // 8] ^= 1 << bit % 8
        content = {**sealed, "value": {"numbers": changed, "finite": True}}
        with pytest.raises(WrongResult, match="differs from what the server computed"):
            opened(packed({"result": content}))


@pytest.mark.parametrize(
    "value",
    [
        {"numbers": torch.arange(6.0).half(), "finite": True},
        {"numbers": torch.arange(6.0).view(2, 3), "finite": True},
        {"numbers": torch.arange(6.0), "finite": False},
        {"numbers": torch.arange(6.0)},
        [],
        None,
    ],
)
def test_a_digest_feels_types_shapes_and_names(value: Any) -> None:
    content = {**seal(CONTENT, ASKED), "value": value}
    with pytest.raises(WrongResult, match="differs from what the server computed"):
        opened(packed({"result": content}))


def test_a_result_of_another_job_is_recognised() -> None:
    with pytest.raises(WrongResult, match="answers another job"):
        opened(packed({"result": seal(CONTENT, "another")}))


@pytest.mark.parametrize(
    "form",
    [
        {"result": CONTENT},
        {"result": []},
        {"result": 7},
        {"result": {"sha256": {1, 2}, "asked": ASKED, "value": {3}}},
        {"value": 1},
        {},
        [],
        None,
        torch.ones(2),
    ],
    ids=str,
)
def test_a_result_of_another_form_is_refused_in_words(form: Any) -> None:
    with pytest.raises(WrongResult, match="not the form of a result"):
        opened(packed(form))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        zstandard.compress(b""),
        zstandard.compress(b"no result"),
        zstandard.compress(saved(CONTENT)[:-100]),
        packed(CONTENT)[:-20],
        saved(CONTENT),
    ],
)
def test_what_is_no_result_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(WrongResult, match="cannot be read; only tensors") as refused:
        read(content, MOST)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("pickle", [b"", b".", b"a.", b"0.", b"\x80\x02e.", b"\x80\x02]q", b"N"])
def test_a_pickle_that_is_none_is_refused_in_words(pickle: bytes) -> None:
    """torch's reader ends with an IndexError, an EOFError without text, or others."""
    content = replaced("archive/data.pkl", pickle)
    with pytest.raises(WrongResult, match="cannot be read; only tensors"):
        read(content, MOST)


def test_a_result_that_would_run_code_is_refused_and_does_not(tmp_path: Path) -> None:
    with pytest.raises(WrongResult, match="it asks for getattr; only tensors and") as refused:
        read(packed({"result": Shell(tmp_path / "was-here")}), MOST)
    assert list(tmp_path.iterdir()) == []
    assert "weights_only" not in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def replaced(name: str, part: bytes, kind: int = zipfile.ZIP_STORED) -> bytes:
    """A result, one of whose parts is another."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(CONTENT))) as old, zipfile.ZipFile(made, "w") as new:
        for entry in old.namelist():
            content = part if entry == name else old.read(entry)
            new.writestr(entry, content, kind)
    return zstandard.compress(made.getvalue())


def streamed() -> bytes:
    """Zeros whose number is not said in advance."""
    made = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(made, closefd=False) as writer:
        for _ in range(200):
            writer.write(bytes(1_000_000))
    return made.getvalue()


def doubled() -> bytes:
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]
    return packed(value)


@pytest.mark.parametrize(
    "bomb",
    [
        lambda: zstandard.compress(bytes(200_000_000)),
        streamed,
        lambda: replaced("archive/data/0", bytes(200_000_000), zipfile.ZIP_DEFLATED),
        lambda: packed(torch.zeros(1).expand(10**12)),
        doubled,
    ],
    ids=["said", "streamed", "deflated", "expanded", "doubled"],
)
def test_a_result_is_not_unpacked_beyond_what_its_job_can_bring(bomb: Callable[[], bytes]) -> None:
    content = bomb()
    assert len(content) < MOST / 10
    before = peak_gigabytes()
    with pytest.raises(WrongResult):
        read(content, MOST)
    assert peak_gigabytes() - before < 10 * MOST / 1e9
