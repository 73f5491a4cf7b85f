"""Conflicting tasks: demonstrations of A, the vector of B (section 4 of the paper)."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from tvsight.config import IDENTITY
from tvsight.config import RULES as ALL_RULES
from tvsight.protocol.options import OneVectorOptions

NAME = "conflicting_tasks"
RULES = ALL_RULES._replace(
    unused={
        "tasks": "--pairs chooses the tasks here.",
        "max_job_episodes": "each pair of tasks is one job.",
        "vectors": "it stores no vectors.",
    }
)
PAPER_PAIRS = (
    "next_letter:to_upper",
    "list_last:list_first",
    "prev_letter:next_letter",
    "present_simple_past_simple:present_simple_gerund",
    "en_es:en_fr",
)
"""The paper's five: the demonstrated task, and the task whose vector is patched."""


@dataclass(frozen=True)
class Options(OneVectorOptions):
    """Options of a run, and the pairs of tasks."""

    pairs: Annotated[tuple[str, ...], tyro.conf.arg(metavar="A:B ...")] = field(
        default=PAPER_PAIRS, metadata=IDENTITY
    )
    """Pairs of tasks: demonstrations of A in the prompt, the vector of B patched in. They replace
    --tasks, which has no effect here. Tasks of --task-file can be named too."""
