"""Tokens that task vectors make probable through the unembedding (the paper's top tokens).

Claim: read as if it were the model's last state, the mean task vector of a layer gives high
probability to tokens that describe the task, though it was read before any answer. It would be
refuted by tokens that have nothing to do with the task: ranks of its answers and of words that
describe it like those of random vectors. Beating random vectors is little, since any state of a
prompt makes common words likely; tokens that tell tasks apart are the stronger sign.

The paper's filter leaves out tokens that are not letters alone, and repetitions but for case. The
final norm is always applied; the authors' code leaves it out for some families.

    python -m analyses.token_projections
    python -m analyses.token_projections --all-tokens
"""

from tvsight.cli.analysis import run

if __name__ == "__main__":
    run("token_projections", __doc__)
