"""Controls: the task vector against others that are patched in its place.

Claim: the accuracy of a patched run comes from the task's own vector, and not from its length, from
any task's vector, or from the labels that the demonstrations show. It would be refuted by a vector
that does as well: a random one of equal length, the mean of all tasks with a random deviation of
equal length, that of the best other task (chosen on dev), or one of shuffled labels. (Where the set
of labels nearly gives a task away, shuffled ones may; ICL with them is measured beside it.) Task
vector, ICL and baseline are those of `analyses.main_results`, on the same episodes; that is
measured where it is missing.

    python -m analyses.controls
    python -m analyses.controls --tasks translation
"""

from analyses.analysis import analyse
from analyses.command import command
from tvsight.config import VECTOR_RULES
from tvsight.experiments.controls import NAME, Options


def main(options: Options) -> int:
    """Measure what is missing, then write tables and figures; returns the exit code."""
    from tvsight.experiments.controls import report

    return analyse(options, NAME, report.collect, report.draw)


if __name__ == "__main__":
    command(Options, main, __doc__, VECTOR_RULES)
