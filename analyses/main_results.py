"""The paper's central comparison (Figure 4 and the complete results table).

Claim: the hidden state θ at the last token of a few-shot prompt holds what its demonstrations
teach, so that patching it into a zero-shot prompt answers nearly as well as in-context learning.
It would be refuted by a task-vector accuracy near the zero-shot baseline where ICL is far above.

    python -m analyses.main_results
    python -m analyses.main_results --score kl
"""

from tvsight.cli.analysis import run

if __name__ == "__main__":
    run("main_results", __doc__)
