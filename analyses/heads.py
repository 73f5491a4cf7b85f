"""In-context learning with FV heads, or induction heads, at their mean over the task.

Claim: what heads add for the single query, beyond their mean over prompts of the same task, comes
from FV heads more than from induction heads. Replaced by that mean, the top FV heads cost more
accuracy than as many induction heads or random ones, also where the top induction heads are left
out of them. It would be refuted by FV heads that cost no more than as many random heads or
induction heads. That mean is what a function vector sums, so the vector stays in place: whether
in-context learning needs it is not measured here. Yin and Steinhardt (2025), who compare the two
kinds, take the mean over other tasks. The FV heads of a task are chosen on the other tasks. The
effects of heads are those of `function_vectors`, and are measured where they are missing.

    python -m analyses.heads
    python -m analyses.heads --tasks knowledge --shots 10
"""

from tvsight.cli.analysis import run

if __name__ == "__main__":
    run("heads", __doc__)
