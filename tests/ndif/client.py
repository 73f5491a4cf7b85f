"""A remote trace and the same one here, in a process whose environment names the server.

    python client.py MODEL OUT

Prints what either raised, or saves the logits of both to OUT. A process of its own, because
nnsight and huggingface_hub read their settings when they are imported.
"""

import sys

import nnsight
import torch
from nnsight.intervention.backends.remote import RemoteError
from nnsight.modeling.transformers import TransformersModel
from transformers import AutoTokenizer

PROMPT = "example: hot-> cold\nexample: up->"


def logits(model: TransformersModel, remote: bool) -> torch.Tensor:
    with model.trace(PROMPT, remote=remote):
        found = model.lm_head.output.save()
    return found


def main(name: str, out: str) -> None:
    nnsight.CONFIG.APP.REMOTE_LOGGING = False
    tokenizer = AutoTokenizer.from_pretrained(name)
    task = "text-generation"
    there = TransformersModel(name, task=task, tokenizer=tokenizer)
    here = TransformersModel(name, task=task, dtype=torch.float32, dispatch=True)
    try:
        remote = logits(there, remote=True)
    except RemoteError as error:
        print(f"RemoteError: {error}")
        return
    torch.save({"remote": remote, "local": logits(here, remote=False)}, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
