"""Vectors extracted under one template and applied under another (a follow-up to the paper).

Claim: the task vector holds the task and not the form of the prompts it was read from, so that it
works in prompts of another form. It would be refuted by an accuracy off the diagonal of the
template × template matrix that falls to the baseline of the template it is applied under. Under the
run's own --template the number and the choice of dummy queries are varied too: a vector of the task
should need few of them, and they should not have to be inputs of the task.

    python -m analyses.templates
    python -m analyses.templates --templates example 'in:{x} out:{y}\\n' --dummy-numbers 1 16
"""

from analyses.analysis import analyse
from analyses.command import command
from tvsight.config import RULES
from tvsight.experiments.templates import NAME, Options

UNUSED = {
    "max_job_episodes": "its jobs are not cut by episodes.",
    "vectors": "it stores no vectors.",
}


def main(options: Options) -> int:
    """Measure what is missing, then write tables and figures; returns the exit code."""
    from tvsight.experiments.templates import report

    return analyse(options, NAME, report.collect, report.draw)


if __name__ == "__main__":
    command(Options, main, __doc__, RULES._replace(unused=UNUSED))
