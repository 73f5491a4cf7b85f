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

from tvsight.cli.analysis import run

if __name__ == "__main__":
    run("controls", __doc__)
