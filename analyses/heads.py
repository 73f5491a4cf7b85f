"""In-context learning without FV heads, or induction heads (Yin and Steinhardt 2025).

Claim: in-context learning needs what a few heads say of the task. With the top FV heads at their
mean over *other* tasks it loses more accuracy than with as many random heads, and on tasks that do
not copy more than with induction heads. It would be refuted by FV heads that cost no more than
random ones. Beside it stand heads at zero, and at their mean over the same task, which is what a
function vector sums: that removes only what depends on the query. The FV heads of a task are chosen
on the other tasks. The effects of heads are those of `function_vectors`, and are measured where
they are missing.

    python -m analyses.heads
    python -m analyses.heads --tasks knowledge --shots 10
"""

from tvsight.cli.analysis import run

if __name__ == "__main__":
    run("heads", __doc__)
