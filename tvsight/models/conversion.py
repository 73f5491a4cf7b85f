"""Convert a quantised file to a checkpoint, in a process of its own.

    python -m tvsight.models.conversion GGUF TARGET

De-quantising takes more memory than the model; the system gets it back at the end. The number of a
system error, such as a full disk, is printed.
"""

import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tvsight.progress import Moved, bar

FIRST_TENSOR = b"token_embd.weight"
"""The key that follows the vocabulary in a file."""
VOCABULARY, TENSORS = 0.2, 0.5
"""Shares of the time that has passed with the vocabulary, and with the tensors."""
SYSTEM_FAULT = re.compile(r"os error (\d+)")
"""A system error in a message of safetensors."""


def convert(gguf: Path, target: Path) -> None:
    """De-quantise with transformers.

    Raises:
        OSError: when the checkpoint cannot be written.
        UsageError: when the file lacks weights, which transformers would fill with random numbers.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from tvsight.models.checkpoints import Loading, check_tensors

    with bar(1, "converting") as moved, _read_once(gguf, moved):
        model, told = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            dtype=torch.float32,
            output_loading_info=True,
            use_kernels=False,
        )
        check_tensors(gguf.name, Loading.of(told))
        model.hf_quantizer = None  # save_pretrained refuses while the GGUF quantizer is attached
        del model.config.quantization_config
        model.config.architectures = [type(model).__name__]
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    try:
        model.save_pretrained(target)
    except SafetensorError as error:
        fault = SYSTEM_FAULT.search(str(error))
        if fault is None:
            raise
        raise OSError(int(fault[1]), str(error)) from error
    tokenizer.save_pretrained(target)


@contextmanager
def _read_once(file: Path, moved: Moved) -> Iterator[None]:
    """Let transformers read a file once, where it would three times, with our bar for its own."""
    import gguf
    import numpy as np
    from transformers import modeling_gguf_pytorch_utils as reading
    from transformers.utils.logging import disable_progress_bar

    with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as mapped:
        step = max(1, mapped.find(FIRST_TENSOR)) / 100

    done = [0]

    class Reader(gguf.GGUFReader):
        def __setattr__(self, name: str, value: Any) -> None:
            # Of a plain array, a million parts are taken in a third of the time.
            super().__setattr__(name, np.asarray(value) if name == "data" else value)

        def _get(self, offset: int, *how: Any, **named: Any) -> Any:
            if offset >= step * done[0] and done[0] < 100:
                done[0] += 1
                moved(by=VOCABULARY / 100)
            return super()._get(offset, *how, **named)

    def each(tensors: Any, **_: Any) -> Iterator[Any]:
        for tensor in tensors:
            yield tensor
            moved(by=TENSORS / len(tensors))

    disable_progress_bar()
    with patch.object(gguf, "GGUFReader", cache(Reader)), patch.object(reading, "tqdm", each):
        yield


def main(gguf: str, target: str) -> int:
    """Convert, and return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the process that waits says what happened
    try:
        convert(Path(gguf), Path(target))
    except OSError as error:
        if error.errno is None:  # not the system's: raised by transformers about the file
            raise
        print(error.errno)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
