"""Distances between task vectors against transfer from task to task.

Claim: the nearer the mean vectors of two tasks, the better one works in the other's place, so that
clusters of vectors are tasks that do the same. It would be refuted by a rank correlation of
distance and transferred accuracy near 0. Single pairs qualify it: vectors that lie together and do
not transfer, and distant ones that do. Pairs that share a task are not independent, so tasks are
permuted and resampled, not pairs. Vectors are those of `analyses.main_results`, accuracies with
another task's vector those of `analyses.controls`; both are measured where they are missing.

    python -m analyses.transfer_geometry
    python -m analyses.transfer_geometry --layer 11
"""

from analyses.analysis import analyse
from analyses.command import command
from tvsight.config import VECTOR_RULES
from tvsight.experiments.transfer_geometry import NAME, Options


def main(options: Options) -> int:
    """Measure what is missing, then write tables and figures; returns the exit code."""
    from tvsight.experiments.transfer_geometry import report

    return analyse(options, NAME, report.collect, report.draw)


if __name__ == "__main__":
    command(Options, main, __doc__, VECTOR_RULES)
