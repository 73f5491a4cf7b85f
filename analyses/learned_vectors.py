"""Learned vectors: how much of a task fits one vector at all.

Claim: what extracted vectors lack of in-context learning is a limit of extraction, and not of one
vector: trained by gradient after the same block, with the same operation, a vector answers more on
test. It would be refuted by learned vectors that answer no more than extracted ones, on queries
that neither has seen; by vectors learned on permuted answers that answer as much, for then 40
labels and the width of the model are enough to memorise answers; or by a gain on answers of dev
alone.

    python -m analyses.learned_vectors
    python -m analyses.learned_vectors --tasks translation
"""

from tvsight.cli.analysis import run

if __name__ == "__main__":
    run("learned_vectors", __doc__)
