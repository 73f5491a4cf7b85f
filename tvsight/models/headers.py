"""Read the names and shapes of a checkpoint's tensors, without its weights."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_url
from huggingface_hub.constants import SAFETENSORS_INDEX_FILE, SAFETENSORS_SINGLE_FILE
from huggingface_hub.utils import build_hf_headers, get_session

from tvsight.foreign import check_file, parsed, read_json

Shapes = Mapping[str, Sequence[int]]
"""Shape by tensor."""
HEADER_BYTES = 100_000_000
"""The longest header that the format allows."""
CHUNK_BYTES = 1 << 16
WEIGHTS_BYTES = 10**13
TIMEOUT_S = 10


def tensor_shapes(location: str, revision: str | None = None) -> Shapes | None:
    """The tensors of a checkpoint directory or a hub id, from one request to the hub for each file
    of weights and at most two more.

    Returns:
        None where they are unknown: there are no safetensors, or the hub does not send them.
    """
    directory = Path(location)
    with suppress(Exception):  # the hub client raises a dozen unrelated types
        if directory.is_dir():
            index = partial(read_json, directory / SAFETENSORS_INDEX_FILE, HEADER_BYTES)
            return _of_parts(partial(_in_directory, directory), index)
        return _of_parts(partial(_on_hub, location, revision), partial(_index, location, revision))
    return None


def _of_parts(header: Callable[[str], Shapes | None], index: Callable[[], Any]) -> Shapes | None:
    """The tensors of the one file of weights, or of the files that an index names.

    Args:
        header: of a file; None where it is absent.
    """
    whole = header(SAFETENSORS_SINGLE_FILE)
    if whole is not None:
        return whole
    with ThreadPoolExecutor() as requests:
        headers = requests.map(header, sorted(set(index()["weight_map"].values())))
        return {name: shape for part in headers if part for name, shape in part.items()}


def _in_directory(directory: Path, file: str) -> Shapes | None:
    path = directory / file
    if not path.is_file():
        return None
    check_file(path, WEIGHTS_BYTES)
    with path.open("rb") as opened:
        return _header(iter(partial(opened.read, CHUNK_BYTES), b""))


def _on_hub(repo: str, revision: str | None, file: str) -> Shapes | None:
    url = hf_hub_url(repo, file, revision=revision)
    # Streamed and left after the header: a hub that ignores ranges would send all the weights.
    with get_session().stream(
        "GET", url, headers=build_hf_headers(), timeout=TIMEOUT_S
    ) as response:
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        return _header(response.raise_for_status().iter_bytes())


def _index(repo: str, revision: str | None) -> Any:
    url = hf_hub_url(repo, SAFETENSORS_INDEX_FILE, revision=revision)
    sent = get_session().get(url, headers=build_hf_headers(), timeout=TIMEOUT_S)
    return parsed(sent.raise_for_status().content)


def _header(chunks: Iterable[bytes]) -> Shapes:
    """Read a file up to the end of its header, which is its length in eight bytes, then JSON.

    Raises:
        ValueError: when it ends before, or the header is too long.
    """
    content = bytearray()
    for chunk in chunks:
        content += chunk
        length = int.from_bytes(content[:8], "little")
        if len(content) >= 8 and length > HEADER_BYTES:
            break
        if len(content) >= 8 + length:
            header = parsed(bytes(content[8 : 8 + length]))
            header.pop("__metadata__", None)
            return {name: tensor["shape"] for name, tensor in header.items()}
    raise ValueError("no header of safetensors")
