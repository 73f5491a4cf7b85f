"""Convert a quantised file to a checkpoint, in a process of its own.

    python -m tvsight.models.conversion GGUF TARGET

De-quantising takes more memory than the model; the system gets it back at the end. The number of a
system error, such as a full disk, is printed.
"""

import re
import signal
import sys
from pathlib import Path

SYSTEM_FAULT = re.compile(r"os error (\d+)")
"""A system error in a message of safetensors."""


def convert(gguf: Path, target: Path) -> None:
    """De-quantise with transformers, which shows a progress bar over the tensors.

    Raises:
        OSError: when the checkpoint cannot be written.
        UsageError: when the file lacks weights, which transformers would fill with random numbers.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from tvsight.models.checkpoints import Loading, check_tensors

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
