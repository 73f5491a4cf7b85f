"""Accuracy against the block after which the vector is applied (Figure 3 of the paper).

Claim: there is a block, around the middle of the stack, where the task vector is ready in the
few-shot prompt and still of use to the zero-shot prompt; accuracy peaks there and falls on both
sides. It would be refuted by a flat curve, or by one that is highest at either end. The sweep is
that of `analyses.main_results`, which is measured where it is missing.

    python -m analyses.layer_sweep
    python -m analyses.layer_sweep --least-peak 0.75
"""

from tvsight.cli.analysis import run

if __name__ == "__main__":
    run("layer_sweep", __doc__)
