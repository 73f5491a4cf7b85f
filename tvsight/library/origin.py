"""Origin of a vector: the weights that it was extracted with."""

from typing import NamedTuple

from tvsight.errors import UsageError
from tvsight.library.model import LoadedModel
from tvsight.texts import one_line


class Origin(NamedTuple):
    """A model as files of vectors name it, in plain texts."""

    model: str
    weights: str
    """A digest of the weights, or the commit of a hub revision."""
    revision: str
    """As `tvsight.load` was given it; empty for none."""
    dtype: str

    @classmethod
    def of(cls, model: LoadedModel) -> "Origin":
        """The origin of what is extracted with a model."""
        return cls(model.name, model.weights, model.source.revision or "", model.dtype)

    def check(self, model: LoadedModel) -> None:
        """Check that a model has these weights, in any precision and under any name.

        Raises:
            UsageError: when it has other ones; a vector means nothing to them.
        """
        here = Origin.of(model)
        if self.weights != here.weights:
            raise UsageError(
                f"vector: it was extracted with {self}, and the model is {here}: these are other "
                "weights. Load that model, or learn the vector again with tvsight.task_vector."
            )

    def __str__(self) -> str:
        kind, _, digits = self.weights.partition(":")
        revision = f", revision {self.revision}" if self.revision else ""
        return one_line(f"{self.model} ({kind}:{digits[:12]}{revision}, {self.dtype})")
