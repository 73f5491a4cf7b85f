"""A tiny model that learns in context and has a task vector, trained from a seed.

It reads letters in the paper's prompt form, `example: a-> b`, and answers ten tasks. Beside the
answers of few-shot prompts, an additional loss (Yang et al. 2025, "Task Vectors in In-Context
Learning: Emergence, Formation, and Benefit") asks for the answer of a zero-shot prompt into which
the state of a few-shot prompt is written. Without it (`--plain`) no task vector forms.

    python -m benchmarks.train_toy --output toy                         ten minutes on two cores
    python -m benchmarks.train_toy --output more --start toy --steps 600

`toy` is a checkpoint that `--model` and `tvsight.load` take, `toy/step-N` are those on the way, and
`toy/tasks` goes to `--task-file`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase as LETTERS
from string import ascii_uppercase as CAPITALS
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import tyro

from tvsight.cli.command import command

if TYPE_CHECKING:
    from torch import Tensor


def _turned(letters: str, by: int) -> str:
    return letters[by:] + letters[:by]


TASKS = {
    "capital": CAPITALS,
    "next": _turned(LETTERS, 1),
    "next_capital": _turned(CAPITALS, 1),
    "previous": _turned(LETTERS, -1),
    "previous_capital": _turned(CAPITALS, -1),
    "second_next": _turned(LETTERS, 2),
    "mirrored": LETTERS[::-1],
    "mirrored_capital": CAPITALS[::-1],
    "half_turned": _turned(LETTERS, 13),
    "half_turned_capital": _turned(CAPITALS, 13),
}
"""By name, the answers to a, b, c, and so on."""
BLOCK = 2
"""The state after this block, counted from 0, is written into the zero-shot prompt."""
SHOTS = 5
SHAPE = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 256,
    "tie_word_embeddings": True,
}
RATE, WARM_UP, LAST = 2e-3, 100, 0.05
"""The highest learning rate, the steps until it is reached, and its share at the end."""


@dataclass(frozen=True)
class Options:
    """What to train, and where to."""

    output: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """Folder of the checkpoint."""
    start: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """A checkpoint to go on from, in place of random weights."""
    steps: Annotated[int, tyro.conf.arg(metavar="N")] = 3000
    """Steps of the optimiser."""
    prompts: Annotated[int, tyro.conf.arg(metavar="N")] = 48
    """Prompts of a step."""
    checkpoints: Annotated[int, tyro.conf.arg(metavar="N")] = 12
    """Checkpoints, the last one included."""
    seed: int = 0
    """Of weights and prompts."""
    plain: bool = False
    """Leave the additional loss out."""


class Answered(NamedTuple):
    """Logits `[prompts, tokens]` before answers, and the right tokens."""

    demonstrated: "Tensor"
    """`[prompts, 1 + SHOTS, tokens]`, after no, one, and all demonstrations."""
    expected: "Tensor"
    patched: "Tensor"
    """Of zero-shot prompts with the vector."""
    zero_shot: "Tensor"
    """Right tokens of these."""


def main(options: Options) -> int:
    """Train, and save checkpoints and tasks."""
    import torch
    from torch.nn.functional import cross_entropy

    torch.manual_seed(options.seed)
    toy = Toy(options.start)
    rated = torch.optim.AdamW(toy.model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        rated, lambda step: min((step + 1) / WARM_UP, 1 + LAST - step / options.steps)
    )
    for step in range(1, options.steps + 1):
        answered = toy.answer(options.prompts)
        loss = cross_entropy(answered.demonstrated.flatten(0, 1), answered.expected.flatten())
        if not options.plain:
            loss = loss + cross_entropy(answered.patched, answered.zero_shot)
        rated.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(toy.model.parameters(), 1.0)
        rated.step()
        schedule.step()
        if step * options.checkpoints % options.steps < options.checkpoints:
            toy.save(options.output / f"step-{step}")
            print(f"step {step}: loss {loss.item():.3f}, {toy.accuracies()}", flush=True)
    toy.save(options.output)
    save_tasks(options.output / "tasks")
    return 0


class Toy:
    """A Llama of a million parameters, and prompts for it."""

    def __init__(self, start: Path | None = None) -> None:
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        self.tokenizer = tokenizer()
        special = {
            "bos_token_id": self.tokenizer.bos_token_id,
            "eos_token_id": None,
            "pad_token_id": self.tokenizer.pad_token_id,
        }
        vocabulary = len(self.tokenizer)
        self.model = LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, **special, **SHAPE))
        if start is not None:
            self.model = LlamaForCausalLM.from_pretrained(start, dtype=torch.float32)

        def ids(text: str) -> "Tensor":
            return torch.tensor([self.tokenizer.convert_tokens_to_ids(f" {x}") for x in text])

        self.letters, self.answers = ids(LETTERS), torch.stack([ids(a) for a in TASKS.values()])
        self.around = self.tokenizer.convert_tokens_to_ids(["example:", "->", "\n"])

    def answer(self, prompts: int) -> Answered:
        """Answer new few-shot prompts, and zero-shot ones of other letters with their vectors."""
        import torch

        task = torch.randint(len(TASKS), (prompts, 1))
        given = torch.rand(prompts, len(LETTERS)).argsort(dim=1)[:, : SHOTS + 2]
        expected = self.answers[task, given]
        before, arrow, after = (torch.full_like(expected, token) for token in self.around)
        parts = [before, self.letters[given], arrow, expected, after]
        shown = torch.stack(parts, dim=2).flatten(1)
        begin = torch.full((prompts, 1), self.tokenizer.bos_token_id)
        length = len(("example:", "x", "->", "y", "\n"))
        few_shot = torch.cat([begin, shown[:, : SHOTS * length + 3]], dim=1)
        zero_shot = torch.cat([begin, shown[:, -length : 3 - length]], dim=1)
        states: list[Tensor] = []
        logits = self._logits(few_shot, lambda after: states.append(after[:, -1]))

        def write(after: "Tensor") -> "Tensor":
            return torch.cat([after[:, :-1], states[0][:, None]], dim=1)

        patched = self._logits(zero_shot, write)[:, -1]
        return Answered(logits[:, 3::length], expected[:, :-1], patched, expected[:, -1])

    def accuracies(self, prompts: int = 1000) -> str:
        """In-context learning and the task vector on new prompts, in words."""
        import torch

        with torch.no_grad():
            found = self.answer(prompts)
        right = found.demonstrated.argmax(dim=2) == found.expected
        vector = found.patched.argmax(dim=1) == found.zero_shot
        return (
            f"zero-shot {right[:, 0].float().mean():.2f}, ICL {right[:, -1].float().mean():.2f}, "
            f"task vector {vector.float().mean():.2f}"
        )

    def save(self, folder: Path) -> None:
        """Save a checkpoint in half precision."""
        import torch

        halved = {n: v.to(torch.float16) for n, v in self.model.state_dict().items()}
        self.model.save_pretrained(folder, state_dict=halved)
        self.tokenizer.save_pretrained(folder)

    def _logits(self, ids: "Tensor", changed: Any) -> "Tensor":
        hook = self.model.model.layers[BLOCK].register_forward_hook(
            lambda _module, _inputs, after: changed(after)
        )
        try:
            return self.model(ids, use_cache=False).logits
        finally:
            hook.remove()


def tokenizer() -> Any:
    """Every letter is one token after a space, and so is each part of the paper's template."""
    from tokenizers import Tokenizer, decoders
    from tokenizers.models import Unigram
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "<unk>"]
    characters = [*LETTERS, *CAPITALS, " ", ":", "-", ">", "\n"]
    pieces = ["example:", "->", *(f" {letter}" for letter in LETTERS + CAPITALS)]
    scored = [(piece, -100.0) for piece in special]
    scored += [(piece, -10.0) for piece in (*characters, *pieces)]
    whole = Tokenizer(Unigram(scored, unk_id=special.index("<unk>"), byte_fallback=False))
    whole.decoder = decoders.Fuse()
    whole.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=whole,
        bos_token="<s>",
        pad_token="<pad>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )


def save_tasks(folder: Path) -> None:
    """Save each task as a file that `--task-file` takes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, answers in TASKS.items():
        pairs = [list(pair) for pair in zip(LETTERS, answers, strict=True)]
        text = json.dumps({"name": f"toy_{name}", "match": "exact", "pairs": pairs})
        (folder / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    command(Options, main, __doc__)
