"""See inside one prompt: the logit lens, a vector after every block, and attention."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from torch import Tensor

from tvsight.errors import in_python, unexpected
from tvsight.interventions.decoder import one_at_a_time
from tvsight.library import measure
from tvsight.library.arguments import Patched, as_patches, whole
from tvsight.library.model import LoadedModel, check_model
from tvsight.methods.method import Use

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Lens:
    """The logit lens of one prompt."""

    prompt: str
    table: pd.DataFrame
    """One row per block and rank: `block`, `rank`, `token`, `probability`."""

    @in_python()
    def plot(self) -> "Figure":
        """A heat map of probabilities, block by rank, with the token in each cell."""
        from tvsight.library.pictures import lens_figure

        return lens_figure(self.prompt, self.table)

    def __repr__(self) -> str:
        return str(self._shown.to_string())

    def _repr_html_(self) -> str:
        return str(self._shown.to_html())

    @property
    def _shown(self) -> pd.DataFrame:
        cells = self.table["token"].map(repr) + self.table["probability"].map(" {:.2f}".format)
        return self.table.assign(cell=cells).pivot(index="block", columns="rank", values="cell")


@dataclass(frozen=True, repr=False)
class Sweep:
    """A vector in one prompt, after every block."""

    query: str
    expected: str
    """The token whose probability is read."""
    table: pd.DataFrame
    """One row per block: `block`, `answer`, `log_probability`, `rank`; the last two of the expected
    token."""

    @in_python()
    def plot(self) -> "Figure":
        """The log-probability of the expected token by block, with the answer below each."""
        from tvsight.library.pictures import sweep_figure

        return sweep_figure(self.query, self.expected, self.table)

    def __repr__(self) -> str:
        return str(self.table)

    def _repr_html_(self) -> str:
        return str(self.table.to_html(index=False))


@dataclass(frozen=True, repr=False)
class Attention:
    """How much each token of a prompt attends to each, in every head."""

    tokens: list[str]
    values: Tensor
    """`[blocks, heads, tokens, tokens]`; each row sums to 1."""

    @in_python()
    def plot(self, layer: int = 0) -> "Figure":
        """The heads of one block, a panel each: rows attend to columns.

        Raises:
            UsageError: when the model has no such block.
        """
        depth = len(self.values)
        if whole("layer", layer, 0) >= depth:
            raise unexpected("layer", f"the number of a block, 0 to {depth - 1}", layer)
        from tvsight.library.pictures import attention_figure

        return attention_figure(self.tokens, self.values[layer], layer)

    def __repr__(self) -> str:
        return f"<attention {list(self.values.shape)} of {self.tokens}>"


def swept(
    model: LoadedModel,
    query: str,
    prompt: str,
    values: Tensor,
    use: Use,
    expected: int | None,
    layer: int,
) -> Sweep:
    """The answer to a prompt with a vector after each block alone, see `measure.swept`."""
    asked = {"prompts": model.tokens([prompt])}
    token, read = model.run(measure.swept, asked, values, use, expected, layer)
    answers = [str(model.tokenizer.decode([of])) for of in read["token"].tolist()]
    table = pd.DataFrame({"block": range(len(answers)), "answer": answers})
    scores = {name: read[name].tolist() for name in ("log_probability", "rank")}
    return Sweep(query, str(model.tokenizer.decode([token])), table.assign(**scores))


@in_python()
@one_at_a_time
def lens(model: LoadedModel, prompt: str, patch: Patched = None, top: int = 5) -> Lens:
    """The most probable next tokens after each block, by the final norm and the unembedding: the
    logit lens.

    Args:
        prompt: as it stands, without a template.
        patch: as in `LoadedModel.logits`.
        top: number of tokens.
    """
    check_model(model)
    (tokens,) = model.tokens([prompt])
    patches = as_patches(model, patch, len(tokens))
    top = whole("top", top, 1)
    places, shares = model.run(measure.top_tokens, {"prompts": [tokens]}, patches, top)
    rows = [
        (block, rank, str(model.tokenizer.decode([token])), share)
        for block, of_block in enumerate(zip(places.tolist(), shares.tolist(), strict=True))
        for rank, (token, share) in enumerate(zip(*of_block, strict=True), start=1)
    ]
    return Lens(prompt, pd.DataFrame(rows, columns=["block", "rank", "token", "probability"]))


@in_python()
@one_at_a_time
def attention(model: LoadedModel, prompt: str) -> Attention:
    """How much each token of a prompt attends to each, in every head.

    Args:
        prompt: as it stands, without a template.

    Raises:
        UsageError: also for a model that does not return its attention.
    """
    check_model(model)
    (tokens,) = model.tokens([prompt])
    values = model.run(measure.attention, {"prompts": [tokens]})
    return Attention([str(model.tokenizer.decode([token])) for token in tokens], values)
