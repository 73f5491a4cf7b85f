"""Variability of task vectors (Figure 6 of the paper, and the histograms of its appendix).

Claim: vectors of one task, made from different demonstrations and dummy queries, are nearer to each
other than to those of other tasks. It would be refuted by distributions that lie on each other: a
probability of superiority near 0.5, an overlap near 1. The distance is the paper's, cosine; a
vector's zero distance to itself is not counted, and each pair once. The vectors are those of
`analyses.main_results`, which is measured where it is missing.

Some models keep most of a vector's length in one or two coordinates that are the same for every
input, which presses cosine distances together. A second table says what they hold, and what the
numbers are without them.

    python -m analyses.vector_variability
    python -m analyses.vector_variability --distance euclidean
"""

from tvsight.cli.analysis import run

if __name__ == "__main__":
    run("vector_variability", __doc__)
