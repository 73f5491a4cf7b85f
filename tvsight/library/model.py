"""A model in a notebook: where it runs, and the text that it writes."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from os import PathLike
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from uuid import uuid4

import torch

from tvsight.errors import UsageError, in_python, unexpected
from tvsight.execution.here import run as run_here
from tvsight.execution.jobs import Job
from tvsight.interventions.decoder import one_at_a_time
from tvsight.library import measure
from tvsight.library.arguments import Patched, Text, as_patches, as_text, each, whole
from tvsight.library.habits import hinted, missing
from tvsight.models import packages
from tvsight.models.loading import Model, load_remote
from tvsight.models.loading import load as load_here
from tvsight.models.own import own_model
from tvsight.models.precision import Device, resolve_dtype
from tvsight.prompts import check_window
from tvsight.texts import one_line

NO_TEXT = re.compile(r"<(unused\d+|(start|end)_of_\w+)>")
Remote = Literal[False, True, "simulated"]
Result = TypeVar("Result")


@dataclass(frozen=True, repr=False)
class LoadedModel(Model):
    """A loaded checkpoint that notebooks use."""

    remote: Remote = False
    """Whether an NDIF server has the weights. `simulated`: they are here, and every call goes
    through the serialisation that a server would see."""
    added: list[tuple[int, torch.Tensor]] = field(default_factory=list, compare=False)
    """Blocks and vectors of steering, which a job brings along where the model is remote."""

    @in_python()
    def generate(self, text: Text, tokens: int = 20) -> Text:
        """The text that follows, greedily, up to a special or unused token; of a list, what follows
        each. A steering block steers it, and so do your own edits.

        Args:
            text: as it stands, without a template.
            tokens: the largest number of tokens.

        Raises:
            UsageError: for an argument of the wrong kind, a text without a token, or one that is
                with `tokens` longer than the context window.
        """
        most = whole("tokens", tokens, 1)
        added = list(self.added)

        def following(texts: list[str]) -> list[str]:
            prompts = {"prompts": self.tokens(texts, most)}
            ends = self._ends
            generated = self.run(measure.generated, prompts, most, added, ends)
            followed = [[token for token in row if token not in ends] for row in generated]
            return [str(self.tokenizer.decode(row, skip_special_tokens=True)) for row in followed]

        return each("text", text, following)

    @in_python()
    def logits(self, texts: str | list[str], patch: Patched = None) -> torch.Tensor:
        """The logits of the next token of each text, `[texts, vocabulary]`, on the CPU.

        Args:
            texts: as they stand, without a template.
            patch: `(block, vector)`, or a `Vector` that is written over, for the last token;
                `(block, vector, place)` for another one, counted from the end; or a list of these.

        Raises:
            UsageError: for an argument of the wrong kind, or a text that is longer than the context
                window.
        """
        check_model(self)
        prompts = self.tokens([texts] if isinstance(texts, str) else texts)
        patches = as_patches(self, patch, min(map(len, prompts)))
        return self.run(measure.logits, {"prompts": prompts}, patches)

    def tokens(self, texts: list[str], most: int = 1) -> list[list[int]]:
        """The token ids of texts as they stand, where up to `most` further tokens have room.

        Raises:
            UsageError: for no text, one without a token, or one that is too long.
        """
        # A tokenizer may begin every text, even an empty one, with a special token.
        checked = [as_text("text", one) for one in texts]
        prompts = [self.tokenizer(one).input_ids if one else [] for one in checked]
        if not prompts or not all(prompts):
            raise unexpected("text", "at least one token", texts)
        check_window(self, [range(len(prompt) + most - 1) for prompt in prompts])
        return prompts

    @one_at_a_time
    def run(self, function: Callable[..., Result], *arguments: Any, prompts: int = 1) -> Result:
        """Call `function(decoder, *arguments)` where the weights are.

        Args:
            function: as in a `Job`.
            prompts: number of the leading arguments that are prompts, as in a `Job`.

        Raises:
            ServerError: when a server does not do its work now.
            TvsightError: when it refuses the job.
        """
        if self.remote is not True:
            remote: Literal[False, "local"] = "local" if self.remote else False
            return run_here(self.decoder, function, *arguments, remote=remote)
        result: Result = _on_server(self, Job(function, arguments, prompts=prompts))
        return result

    @cached_property
    def _ends(self) -> list[int]:
        """Tokens that are no text: special and unused ones, and marks of turns and images."""
        added = self.tokenizer.added_tokens_decoder.items()
        return [token for token, of in added if of.special or NO_TEXT.fullmatch(of.content)]

    if not TYPE_CHECKING:  # so that a type checker refuses a name that is not there
        __getattr__ = hinted("model")

        def __call__(self, *_: Any, **__: Any) -> None:
            """Refuse what `logits` does."""
            raise missing("model", "forward", ())

    def __repr__(self) -> str:
        return f"<{' · '.join(self._words)}>"

    def _repr_html_(self) -> str:
        name, *others = map(escape, self._words)
        return f"<b>{name}</b> · {' · '.join(others)}"

    @property
    def _words(self) -> list[str]:
        decoder = self.decoder
        place = "simulated server" if self.remote == "simulated" else self.device
        size = f"{decoder.depth} blocks of width {decoder.width}"
        return [one_line(self.name), size, self.dtype, one_line(place)]


@in_python()
def load(
    name: Any,
    tokenizer: Any = None,
    *,
    revision: str | None = None,
    device: Device | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    trust_remote_code: bool = False,
    allow_pickled_weights: bool = False,
    report: packages.Report = print,
    remote: Remote = False,
) -> LoadedModel:
    """Load a model: a catalogue alias, a local checkpoint directory, or a hub id; or take one.

    Args:
        name: what to load; see `tvsight.models.sources.resolve`. A path is a directory. Or a model
            that you hold already: of transformers with its `tokenizer`, or of nnsight. It is used
            as it is, its parameters require no gradients any more, and its results are stored by a
            digest of its weights.
        revision: hub revision (branch, tag or commit).
        device: `auto`, `cpu` or `cuda`. A model larger than one GPU is spread over all of them.
        dtype: `auto`, `float32`, `bfloat16` or `float16`, or torch's own.
        trust_remote_code: run code in the checkpoint. Only for authors you trust.
        allow_pickled_weights: read pickled weights, which can run code. Only for authors you trust.
        report: receives a line of text at each slow step.
        remote: run on the NDIF server of the key and host in the environment; the weights are not
            loaded here. `simulated`: run here, through the serialisation that a server would see.

    Raises:
        UsageError: for an unknown name, an unreachable or gated hub model, an architecture that
            has no standard view, weights that cannot or may not be read, or an absent device.
    """
    if not isinstance(remote, bool) and remote != "simulated":
        raise unexpected("remote", "True, False or 'simulated'", remote)
    is_name = isinstance(name, str | bytes | PathLike | None)
    if not is_name:
        if remote is True:
            raise UsageError("remote: a server has the models of its own; give the name of one.")
        model = own_model(name, tokenizer, report)
    elif tokenizer is not None:
        raise unexpected("tokenizer", "none, for a model that is loaded by name", tokenizer)
    elif remote is True:
        if str(device) != "auto" or allow_pickled_weights:
            raise UsageError("remote: the server holds the model; leave device and weights to it.")
        precision = resolve_dtype(dtype, "cuda")
        model = load_remote(str(name), precision, revision, trust_remote_code)
    else:
        model = load_here(
            name, revision, device, dtype, trust_remote_code, allow_pickled_weights, report
        )
    return LoadedModel(**vars(model), remote=remote)


def check_loaded(model: object) -> None:
    """Check that a model is one that `tvsight.load` returned.

    Raises:
        UsageError: when it is not.
    """
    if not isinstance(model, LoadedModel):
        raise unexpected("model", "what tvsight.load returns", model)


def check_model(model: LoadedModel) -> None:
    """Check that a model is one that `tvsight.load` returned, and is not being steered.

    Raises:
        UsageError: when it is not.
    """
    check_loaded(model)
    if model.added or model.decoder.is_edited:
        raise UsageError(
            "model: it is being steered, and only model.generate goes with that; leave the "
            "steering block first."
        )


def _on_server(model: LoadedModel, job: Job) -> Any:
    """The result of one job on a server. Nothing of it is remembered."""
    from rich.console import Console

    from tvsight.config import RunConfig
    from tvsight.output.console import Display
    from tvsight.run.places import Places

    with TemporaryDirectory() as records:
        source = model.source
        config = RunConfig(model=(source.location,), remote=True, results=records)
        place = Places(config, model.dtype, Display(Console(quiet=True))).of(model, [])
        pending = place.begin(model.decoder, job, f"{job.function.__name__}-{uuid4().hex}-0")
        while (result := pending.result()) is None:
            place.wait()
    return result
