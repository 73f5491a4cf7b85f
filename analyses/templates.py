"""Vectors extracted under one template and applied under another (a follow-up to the paper).

Claim: the task vector holds the task and not the form of the prompts it was read from, so that it
works in prompts of another form. It would be refuted by an accuracy off the diagonal of the
template × template matrix that falls to the baseline of the template it is applied under. Under the
run's own --template the number and the choice of dummy queries are varied too: a vector of the task
should need few of them, and they should not have to be inputs of the task.

    python -m analyses.templates
    python -m analyses.templates --templates example 'in:{x} out:{y}\\n'
"""

from tvsight.cli.analysis import run

if __name__ == "__main__":
    run("templates", __doc__)
