"""Vectors extracted under one template and applied under another, and other dummy queries."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from tvsight.config import IDENTITY
from tvsight.config import RULES as ALL_RULES
from tvsight.errors import UsageError
from tvsight.protocol.options import OneVectorOptions

NAME = "templates"
RULES = ALL_RULES._replace(
    unused={
        "max_job_episodes": "its jobs are not cut by episodes.",
        "vectors": "it stores no vectors.",
    }
)
DUMMY_NUMBERS = (1, 2, 4, 8)
"""Numbers of dummy queries to compare; --dummy-queries, with which templates are compared, joins
them."""
MOST_TEMPLATES = 5
"""More are not legible in one figure, and the cost grows with their square."""


@dataclass(frozen=True)
class Options(OneVectorOptions):
    """Options of a run, and of this analysis."""

    templates: Annotated[tuple[str, ...], tyro.conf.arg(metavar="TEMPLATE ...")] = field(
        default=("example", "arrow", "question"), metadata=IDENTITY
    )
    """Templates to compare, each as in --template, which joins them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= len(self.templates) <= MOST_TEMPLATES:
            raise UsageError(
                f"--templates: 1 to {MOST_TEMPLATES} were expected; {len(self.templates)} given."
            )
