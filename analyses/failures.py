"""Wrong answers of in-context learning and of the task vector.

Claim: the task vector holds the mapping of its task, so that its wrong answers are those of ICL:
other answers of the same task, now and then. It would be refuted by wrong answers of another kind,
such as the query itself, or the answer that another task gives to it. The answers are those of
`analyses.main_results`, which is measured where it is missing.

    python -m analyses.failures
"""

from tvsight.cli.analysis import run

if __name__ == "__main__":
    run("failures", __doc__)
