"""A loaded model: its standard view, and what identifies it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tvsight.errors import RefusedError
from tvsight.interventions.decoder import Decoder
from tvsight.models import packages
from tvsight.models.sources import ModelSource, weights_identity
from tvsight.models.weights import changes, fingerprint

if TYPE_CHECKING:
    from tvsight.tasks.matching import Vocabulary


@dataclass(frozen=True)
class Model:
    """A loaded checkpoint, with its standard view and its source."""

    source: ModelSource
    decoder: Decoder
    dtype: str
    device: str
    """The device in words: `cpu`, or the name of the GPU."""
    weights: str
    """The identity of the weights that were read, see `weights_identity`."""
    at_load: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The fingerprint of the model in memory, see `weights.fingerprint`."""

    @property
    def name(self) -> str:
        """The name used in rows, tables and folders."""
        return self.source.name

    @property
    def tokenizer(self) -> Any:
        """The tokenizer that belongs to the weights."""
        return self.decoder.tokenizer

    def check(self) -> None:
        """Check that the model is what was loaded, on disk and in memory, so that what was measured
        with it has its identity.

        Raises:
            RefusedError: when the files of the checkpoint or the model changed since.
        """
        source = self.source  # of a hub model all files are those of one commit
        replaced = source.kind == "directory" and weights_identity(source) != self.weights
        if source.package is not None:
            replaced = packages.damage(packages.checkpoint_path(source.package)) is not None
        if replaced:
            raise RefusedError(
                f"The files of the checkpoint {self.name} changed since it was loaded, so nothing "
                "more is stored. Measure a checkpoint that is written once, or start again."
            )
        changed = changes(self.at_load, fingerprint(self.decoder.nn._module, self.tokenizer))
        if changed:
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            raise RefusedError(
                f"{self.name} changed in memory since it was loaded ({changed[0]}{more}), so "
                "nothing is stored under its name. Save the changed model and load it from there."
            )

    @cached_property
    def vocabulary(self) -> "Vocabulary":
        """The tokens that can be predicted, indexed for scoring on first use."""
        from tvsight.tasks.matching import Vocabulary

        return Vocabulary(self.tokenizer, self.decoder.vocabulary)
