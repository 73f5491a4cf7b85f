"""Conflicting tasks: does a vector override demonstrations that the model can see? (section 4)

Claim: in a prompt with demonstrations of task A, patching in the vector of task B makes the model
do task B, although it can see A. It would be refuted by patched prompts whose answers still follow
A, or follow neither task. In the paper the vector overrides in four of five pairs; in en_es with
the vector of en_fr it does not.

    python -m analyses.conflicting_tasks
    python -m analyses.conflicting_tasks --pairs antonyms:synonyms list_first:list_last
"""

from analyses.analysis import analyse
from analyses.command import command
from tvsight.config import RULES
from tvsight.experiments.conflicting_tasks import NAME, Options

UNUSED = {
    "tasks": "--pairs chooses the tasks here.",
    "max_job_episodes": "each pair of tasks is one job.",
    "vectors": "it stores no vectors.",
}


def main(options: Options) -> int:
    """Measure what is missing, then write tables and figures; returns the exit code."""
    from tvsight.experiments.conflicting_tasks import report

    return analyse(options, NAME, report.collect, report.draw)


if __name__ == "__main__":
    command(Options, main, __doc__, RULES._replace(unused=UNUSED))
