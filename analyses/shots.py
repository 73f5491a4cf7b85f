"""Accuracy of in-context learning and of the task vector against the number of demonstrations.

Claim: the vector is as good a summary of few demonstrations as of many, so that its accuracy grows
with their number as that of in-context learning does. It would be refuted by a task-vector line
that stays where it is, or falls, while the ICL line rises.

    python -m analyses.shots
    python -m analyses.shots --shot-counts 1,4,16 --tasks translation
"""

from analyses.analysis import analyse
from analyses.command import command
from tvsight.config import RULES
from tvsight.experiments.shots import NAME, Options

FIXED = "the number of demonstrations in a file of episodes is fixed."
UNUSED = {
    "shots": "--shot-counts gives the numbers of demonstrations here.",
    "episodes": FIXED,
    "save_episodes": FIXED,
}


def main(options: Options) -> int:
    """Measure what is missing, then write table and figure; returns the exit code."""
    from tvsight.experiments.shots import report

    return analyse(options, NAME, report.collect, report.draw)


if __name__ == "__main__":
    command(Options, main, __doc__, RULES._replace(unused=UNUSED))
