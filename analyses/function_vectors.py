"""Function vectors: a few attention heads, summed and added (Todd et al. 2024).

Claim: a small number of heads carries the task from demonstrations to the last token; their mean
outputs, summed and added to the residual stream of a prompt without the task, bring it back. It
would be refuted by as many random heads, another task's heads or a random direction of equal length
that do as well. Beside it stand the task vector, the mean state and ICL on the same episodes; these
are measured where they are missing.

    python -m analyses.function_vectors
    python -m analyses.function_vectors --heads 20 --tasks knowledge
    python -m analyses.function_vectors --protocol todd --tasks linguistic
"""

from tvsight.cli.analysis import run

if __name__ == "__main__":
    run("function_vectors", __doc__)
