"""Accuracy of in-context learning and of the task vector against the number of demonstrations.

Claim: the vector is as good a summary of few demonstrations as of many, so that its accuracy grows
with their number as that of in-context learning does. It would be refuted by a task-vector line
that stays where it is, or falls, while the ICL line rises.

    python -m analyses.shots
    python -m analyses.shots --shot-counts 1,4,16 --tasks translation
"""

from tvsight.cli.analysis import run

if __name__ == "__main__":
    run("shots", __doc__)
