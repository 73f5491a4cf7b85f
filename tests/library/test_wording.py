"""Errors of the library name arguments of Python, and no options of the command line."""

import pytest

import tvsight
from tvsight.errors import UsageError
from tvsight.library.model import LoadedModel
from tvsight.library.wording import in_python
from tvsight.prompts.filtering import WHOLE


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("Lower --shots.", "Lower shots."),
        ("--episodes-per-split 0: at least", "episodes_per_split=0: at least"),
        ("A wider --dtype may help.", "A wider dtype may help."),
        ("repeat with --trust-remote-code.", "repeat with trust_remote_code=True."),
        ("--no-vectors keeps the rows alone", "vectors=False keeps the rows alone"),
        ("Name one with --model, or", "Name one with tvsight.load, or"),
        ("or use --remote-simulated.", "or use remote='simulated'."),
        ("Check --host (or NDIF_HOST).", "Check NDIF_HOST."),
        ("fewer demonstrations (--shots), shorter", "fewer demonstrations, shorter"),
        ("`python -m analyses.tasks --model X`", "`python -m analyses.tasks --model X`"),
        ("`pip install --no-deps gguf`: --no-deps", "`pip install --no-deps gguf`: --no-deps"),
        ("or use: `--model gemma-3`.", "or use: `tvsight.load('gemma-3')`."),
        (WHOLE, "tvsight.measure measures longer answers as a whole: answer_tokens=8. "),
    ],
)
def test_options_have_their_names_in_python(typed: str, said: str) -> None:
    assert in_python(typed) == said


def test_a_task_of_longer_answers_is_measured_by_a_function(model: LoadedModel) -> None:
    with pytest.raises(UsageError, match=r"tvsight\.measure .*: answer_tokens=8\.$") as refused:
        tvsight.task_vector(model, "phrase_plural")
    assert "--" not in str(refused.value)
