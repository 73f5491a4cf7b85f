"""Accuracy against the number of demonstrations."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from tvsight.config import IDENTITY
from tvsight.config import RULES as ALL_RULES
from tvsight.errors import UsageError
from tvsight.protocol.options import AnswerOptions

NAME = "shots"
RULES = ALL_RULES._replace(
    unused={
        "shots": "--shot-counts gives the numbers of demonstrations here.",
        **dict.fromkeys(
            ("episodes", "save_episodes"),
            "the number of demonstrations in a file of episodes is fixed.",
        ),
    }
)


@dataclass(frozen=True)
class Options(AnswerOptions):
    """Options of a run, and of this figure."""

    shot_counts: Annotated[str, tyro.conf.arg(metavar="N,N,...")] = field(
        default="1,2,3,5,8,12,16", metadata=IDENTITY
    )
    """Numbers of demonstrations, separated by commas. They take the place of --shots."""

    @property
    def counts(self) -> list[int]:
        """The numbers, ascending.

        Raises:
            UsageError: when the option holds something else.
        """
        words = [word.strip() for word in self.shot_counts.split(",") if word.strip()]
        if not words or not all(word.isascii() and word.isdigit() for word in words):
            raise UsageError(
                f"--shot-counts {self.shot_counts!r}: numbers were expected, as in 1,2,5"
            )
        return sorted(map(int, words))
