"""Conflicting tasks: does a vector override demonstrations that the model can see? (section 4)

Claim: in a prompt with demonstrations of task A, patching in the vector of task B makes the model
do task B, although it can see A. It would be refuted by patched prompts whose answers still follow
A, or follow neither task. In the paper the vector overrides in four of five pairs; in en_es with
the vector of en_fr it does not.

    python -m analyses.conflicting_tasks
    python -m analyses.conflicting_tasks --pairs antonyms:synonyms list_first:list_last
"""

from tvsight.cli.analysis import run

if __name__ == "__main__":
    run("conflicting_tasks", __doc__)
