"""Steering: vectors that are added with a factor or written over, in five contexts.

Claim: a vector of a task does the task wherever it is applied, within a range of factors: in
zero-shot prompts, against shuffled labels or another task's demonstrations, under another template
and in natural text. It would be refuted by a random vector of the same length, the negated vector
or another task's that do as well, or by a vector that works only where the text collapses: bigrams
repeat, and the next token of neutral text is another one. The task vectors and the effects of heads
are those of `main_results` and `function_vectors`, and are measured where they are missing.

    python -m analyses.steering
    python -m analyses.steering --tasks knowledge --shots 10
"""

from tvsight.cli.analysis import run

if __name__ == "__main__":
    run("steering", __doc__)
