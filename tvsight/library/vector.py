"""A vector of a task, as an object: apply it, steer with it, save it."""

import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from os import PathLike
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tvsight.errors import Remark, UsageError, in_python, unexpected
from tvsight.interventions.attention import Head
from tvsight.interventions.decoder import one_at_a_time
from tvsight.library import files, measure
from tvsight.library.arguments import (
    Text,
    as_path,
    as_query,
    as_template,
    as_text,
    dense,
    each,
    finite,
    held,
    pairs,
    whole,
)
from tvsight.library.habits import hinted
from tvsight.library.inside import Sweep, swept
from tvsight.library.model import LoadedModel, check_loaded, check_model
from tvsight.library.origin import Origin
from tvsight.library.report import Report
from tvsight.library.steering import Steering
from tvsight.methods.method import Use
from tvsight.output.labels import block
from tvsight.prompts import Template
from tvsight.prompts.generated import answer_text, stop_tokens
from tvsight.texts import one_line


@dataclass(frozen=True, eq=False, repr=False)
class Vector:
    """A vector of a task after every block of a model, and the block where it is applied.

    Raises:
        UsageError: for values of another shape than the model's, values that are not finite, a
            block that the model does not have, an origin of other weights than the model's, or any
            other field of the wrong kind.
        RefusedError: without an origin, when the model is not what was loaded any more.
    """

    model: LoadedModel
    task: str
    """The name of the task."""
    values: Tensor
    """`[depth, width]`, in single precision on the CPU, whatever tensor or array it is made of. A
    vector `[width]` stands after every block."""
    layer: int
    """The block after which it is applied, 0-based."""
    kind: str = "task_vector"
    """The method that extracted it."""
    adds: bool = False
    """Whether it is added to the residual stream. Otherwise it replaces the stream."""
    template: Template | str | None = None
    """The template of its prompts; by default the paper's."""
    spaced: bool = True
    """Whether words begin with a space in its prompts."""
    report: Report | None = None
    """How it was chosen and tested; None where it was not extracted here."""
    origin: Origin | None = None
    """The weights that it was extracted with; by default those of its model."""
    heads: Sequence[Head] = ()
    """The attention heads that a function vector sums, as `(block, head)`, that of the largest
    causal effect first; none for other vectors."""

    def __post_init__(self) -> None:
        check_loaded(self.model)
        decoder = self.model.decoder
        values = self.values
        if getattr(values, "ndim", 2) == 1:
            values = dense("values", values, [decoder.width]).expand(decoder.depth, -1)
        values = dense("values", values, [decoder.depth, decoder.width])
        values = held("values", values, torch.device("cpu"), torch.float32).clone()
        (layer,) = decoder.block_numbers([self.layer])
        for name, kind, expected in (
            ("adds", bool, "True or False"),
            ("spaced", bool, "True or False"),
            ("report", Report | None, "a report of tvsight.task_vector, or None"),
            ("origin", Origin | None, "the origin of another vector, or None"),
        ):
            if not isinstance(value := getattr(self, name), kind):
                raise unexpected(name, expected, value)
        self.origin.check(self.model) if self.origin else self.model.check()
        if self.heads:
            decoder.attention.check(self.heads)
        for name, checked in {
            "values": values,
            "layer": layer,
            "task": as_text("task", self.task),
            "kind": as_text("kind", self.kind),
            "template": as_template(self.template),
            "origin": self._origin,
            "heads": tuple((int(of), int(head)) for of, head in self.heads),
        }.items():
            object.__setattr__(self, name, checked)

    @in_python()
    @one_at_a_time
    def apply(
        self,
        query: Text,
        tokens: int = 1,
        demonstrations: Iterable[tuple[str, str]] = (),
        layer: int | None = None,
        prompt: Template | str | None = None,
    ) -> Text:
        """The greedy answer to a query, or to each of a list, with the vector applied once, at the
        prompt's last token.

        Later tokens feel it through the keys and values of that token.

        Args:
            query: the input x, or a list of them. It and words of demonstrations get the space in
                front that words of the task have in prompts.
            tokens: the largest number of tokens.
            demonstrations: S; none for the zero-shot prompt.
            layer: the block after which it is applied; by default its own.
            prompt: a template, or the name or text of one; by default the vector's own.

        Returns:
            The answer up to the text that ends a demonstration, without white space around it.

        Raises:
            UsageError: for an argument of the wrong kind, an empty query, a block that the model
                does not have, or a prompt longer than the model's context window.
        """
        model, template = self.model, as_template(self.template if prompt is None else prompt)
        check_model(model)
        most = whole("tokens", tokens, 1)
        shown = tuple((self._word(x), self._word(y)) for x, y in pairs(demonstrations))
        stops = stop_tokens(model, template)
        patch = self._at(layer)

        def answers(queries: list[str]) -> list[str]:
            asked = [template.few_shot(shown, self._word(as_query(text))) for text in queries]
            prompts = {"prompts": model.tokens(asked, most)}
            generated = model.run(measure.answers, prompts, patch, self.adds, most, stops)
            return [answer_text(model, tokens, template) for tokens in generated]

        return each("query", query, answers)

    @in_python()
    @one_at_a_time
    def sweep(self, query: str, expected: str | None = None) -> Sweep:
        """The answer to a query with the vector after each block alone, all in one run.

        Args:
            query: the input x, as in `apply`.
            expected: the answer whose first token's log-probability and rank are read; by default
                the answer with the vector after its own block.
        """
        check_model(self.model)
        prompt = as_template(self.template).few_shot((), self._word(as_query(query)))
        first = None
        if expected is not None:
            word = self._word(as_text("expected", expected))
            first = self.model.tokenizer(word, add_special_tokens=False).input_ids[0]
        use: Use = "add" if self.adds else "overwrite"
        values = held("vector", self.values, self.model.decoder.device, self.model.decoder.dtype)
        return swept(self.model, query, prompt, values, use, first, self.layer)

    @in_python()
    def steering(self, alpha: float = 1.0, layer: int | None = None) -> Steering:
        """Add `alpha` times the vector after its block at every generated position, for a while.

        It steers `model.generate` and your own traces of `model.decoder.nn`, in every thread, by an
        nnsight edit that is gone when the `with` block ends. Blocks may overlap and end in any
        order; their vectors add up. Everything else that tvsight measures refuses a model that is
        being steered. On a server it steers `model.generate` alone.

        Returns:
            A context manager, to be entered once.

        Raises:
            UsageError: when `alpha` is no finite number, or the model has no such block.
        """
        return Steering(self.model, *self._at(layer, finite("alpha", alpha)))

    def save(self, path: str | PathLike[str]) -> None:
        """Write a safetensors file, which `tvsight.read_vector` reads.

        Raises:
            UsageError: when it cannot be written; an earlier file stays as it was.
        """
        file, about = as_path("path", path), self._about
        if self.report is not None:
            about |= {"report": self.report.to_json()}
        if self.heads:
            about |= {"heads": json.dumps(self.heads)}
        files.write_vector(file, self.values, about)

    def save_gguf(self, path: str | PathLike[str], layer: int | None = None) -> None:
        """Write a control vector that llama.cpp adds at every position after the same block.

        It has the vector of one block, because llama.cpp adds everything that a file holds. Its
        metadata say how tvsight applies the vector.

        Args:
            layer: the block, by default its own. llama.cpp cannot add anything after block 0.

        Raises:
            UsageError: for block 0 or one that the model does not have, without the package gguf,
                or when the file cannot be written.

        Warns:
            Remark: for a vector that replaces the residual stream: llama.cpp adds it.
        """
        (block,) = self.model.decoder.block_numbers([self.layer if layer is None else layer])
        if block == 0:
            raise UsageError("layer: llama.cpp adds nothing after block 0; name another.")
        kind = str(self.model.decoder.nn.config.get_text_config().model_type)
        architecture, file = kind.removesuffix("_text"), as_path("path", path)
        files.write_gguf(file, self.values[block], block, architecture, self._about)
        if not self.adds:
            said = "llama.cpp adds this vector at every position; tvsight replaces the state by it."
            warnings.warn(said, Remark, stacklevel=2)

    def easysteer(self, layer: int | None = None) -> Any:
        """What EasySteer applies as tvsight does: once, after the same block, at the last token of
        a prompt.

        Args:
            layer: the block, by default its own.

        Returns:
            A `SteeringSpec` for `llm.generate(prompts, steering=...)`.

        Raises:
            UsageError: without EasySteer's vLLM, or for a block that the model does not have.
        """
        (block,) = self.model.decoder.block_numbers([self.layer if layer is None else layer])
        return files.easysteer(self.values[block], block, self.adds)

    def cosine(self, other: "Vector") -> Tensor:
        """The cosine with another vector of the same model after each block, `[depth]`."""
        return torch.cosine_similarity(self.values, self._fitting(other).values, dim=1)

    def __add__(self, other: "Vector") -> "Vector":
        """The sum after each block, which is applied where this one is. No report is of it."""
        values = self.values + self._fitting(other).values
        task = f"{self.task} + {other.task}"
        return replace(self, task=task, values=values, report=None, heads=())

    def __sub__(self, other: "Vector") -> "Vector":
        return self + -other

    def __mul__(self, factor: float) -> "Vector":
        """A multiple of it. No report is of it."""
        values, task = self.values * finite("factor", factor), f"{factor:g} {self.task}"
        return replace(self, task=task, values=values, report=None)

    __rmul__ = __mul__

    def __neg__(self) -> "Vector":
        return -1 * self

    def _fitting(self, other: object) -> "Vector":
        """Another vector of the same weights, which is applied in the same way."""
        if not isinstance(other, Vector):
            raise unexpected("other", "another vector", other)
        other._origin.check(self.model)
        if other.adds != self.adds:
            raise UsageError("other: one vector is added, and the other one replaces the state.")
        return other

    if not TYPE_CHECKING:  # so that a type checker refuses a name that is not there
        __getattr__ = hinted("theta")

    def __repr__(self) -> str:
        report = "" if self.report is None else f"; {self.report}"
        return f"<{' · '.join(self._words)}{report}>"

    def _repr_html_(self) -> str:
        kind, *others = map(escape, self._words)
        report = "" if self.report is None else self.report._repr_html_()
        return f"<div><b>{kind}</b> · {' · '.join(others)}</div>{report}"

    @property
    def _words(self) -> list[str]:
        depth, width = self.values.shape
        where = f"{'added' if self.adds else 'written'} after {block(self.layer, depth)}"
        names = [one_line(name) for name in (self.kind, self.task, self.model.name)]
        return [*names, f"[{depth}, {width}]", where]

    @property
    def _origin(self) -> Origin:
        return self.origin or Origin.of(self.model)

    @property
    def _about(self) -> dict[str, str]:
        """What files say of it."""
        return {
            **{"task": self.task, "kind": self.kind, "template": as_template(self.template).text},
            **{name: str(getattr(self, name)) for name in ("layer", "adds", "spaced")},
            **self._origin._asdict(),
        }

    def _word(self, text: str) -> str:
        return f" {text}" if self.spaced and not as_text("word", text)[:1].isspace() else text

    def _at(self, layer: int | None, factor: float = 1.0) -> tuple[int, Tensor]:
        """A block and a multiple of the vector after it, in the device and precision of the
        model."""
        decoder = self.model.decoder
        (block,) = decoder.block_numbers([self.layer if layer is None else layer])
        return block, held("vector", factor * self.values[block], decoder.device, decoder.dtype)


@in_python()
def sweep(
    model: LoadedModel, query: str, theta: Vector | Tensor, expected: str | None = None
) -> Sweep:
    """The answer to a query with a vector, or with values `[depth, width]`, after each block alone,
    see `Vector.sweep`."""
    check_loaded(model)
    vector = theta if isinstance(theta, Vector) else Vector(model, "own", theta, 0)
    return replace(vector, model=model).sweep(query, expected)
