"""Read the names and shapes of a checkpoint's tensors, without its weights."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.constants import SAFETENSORS_INDEX_FILE, SAFETENSORS_SINGLE_FILE
from huggingface_hub.utils import build_hf_headers, get_session

from tvsight.foreign import check_file, parsed, read_json

Shapes = Mapping[str, Sequence[int] | None]
"""Shape by tensor. None: the name comes from an index, which has no shapes."""
HEADER_BYTES = 100_000_000
"""The longest header that the format allows."""
CHUNK_BYTES = 1 << 16
WEIGHTS_BYTES = 10**13
TIMEOUT_S = 10


def tensor_shapes(location: str, revision: str | None = None) -> Shapes | None:
    """The tensors of a checkpoint directory or a hub id, from at most three requests to the hub.

    The hub has the headers of all parts together for the newest revision only. For another
    revision in parts, the names come from the index.

    Returns:
        None where they are unknown: there are no safetensors, or the hub does not send them.
    """
    with suppress(Exception):  # the hub client raises a dozen unrelated types
        directory = Path(location)
        return _in_directory(directory) if directory.is_dir() else _on_hub(location, revision)
    return None


def _in_directory(directory: Path) -> Shapes | None:
    files = [directory / SAFETENSORS_SINGLE_FILE]
    if not files[0].is_file():
        index = read_json(directory / SAFETENSORS_INDEX_FILE, HEADER_BYTES)
        files = [directory / part for part in sorted(set(index["weight_map"].values()))]
    shapes: dict[str, Sequence[int] | None] = {}
    for file in files:
        check_file(file, WEIGHTS_BYTES)
        with file.open("rb") as opened:
            part = _header(iter(partial(opened.read, CHUNK_BYTES), b""))
        if part is None:
            return None
        shapes |= part
    return shapes


def _on_hub(repo: str, revision: str | None) -> Shapes | None:
    url = hf_hub_url(repo, SAFETENSORS_SINGLE_FILE, revision=revision)
    # Streamed and left after the header: a hub that ignores ranges would send all the weights.
    with get_session().stream(
        "GET", url, headers=build_hf_headers(), timeout=TIMEOUT_S
    ) as response:
        if response.is_success:
            return _header(response.iter_bytes())
        if response.status_code != HTTPStatus.NOT_FOUND:
            return None
    if revision in (None, "main"):
        with suppress(Exception):  # hubs other than Hugging Face's lack it
            parts = HfApi().get_sharded_safetensors_metadata(repo, timeout=TIMEOUT_S).files_metadata
            shapes = {
                name: tensor.shape
                for part in parts.values()
                for name, tensor in part.tensors.items()
            }
            if shapes:  # none: the hub has no index
                return shapes
    url = hf_hub_url(repo, SAFETENSORS_INDEX_FILE, revision=revision)
    index = get_session().get(url, headers=build_hf_headers(), timeout=TIMEOUT_S)
    return dict.fromkeys(parsed(index.raise_for_status().content)["weight_map"])


def _header(chunks: Iterable[bytes]) -> Shapes | None:
    """Read a file up to the end of its header, which is its length in eight bytes, then JSON."""
    content = bytearray()
    for chunk in chunks:
        content += chunk
        length = int.from_bytes(content[:8], "little")
        if len(content) >= 8 and length > HEADER_BYTES:
            return None
        if len(content) >= 8 + length:
            header = parsed(bytes(content[8 : 8 + length]))
            header.pop("__metadata__", None)
            return {name: tensor["shape"] for name, tensor in header.items()}
    return None
