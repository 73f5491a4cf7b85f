"""Errors of the library name arguments of Python, and no options of the command line."""

import pytest

import tvsight
from tvsight.errors import UsageError, in_python, option
from tvsight.library.model import LoadedModel


@pytest.mark.parametrize(
    ("named", "typed", "said"),
    [
        (("shots",), "--shots", "shots"),
        (("episodes_per_split", 0), "--episodes-per-split 0", "episodes_per_split=0"),
        (("trust_remote_code", True), "--trust-remote-code", "trust_remote_code=True"),
        (("vectors", False), "--no-vectors", "vectors=False"),
        (("model",), "--model", "tvsight.load"),
        (("model", "gemma-3"), "--model gemma-3", "tvsight.load('gemma-3')"),
        (("remote_simulated", True), "--remote-simulated", "remote='simulated'"),
        (("host",), "--host", "the host of nnsight's configuration"),
    ],
)
def test_an_option_is_named_as_its_reader_gives_it(
    named: tuple[str, object], typed: str, said: str
) -> None:
    assert option(*named) == typed
    with in_python():
        assert option(*named) == said
    assert option(*named) == typed


def test_a_task_of_longer_answers_is_measured_with_an_argument(model: LoadedModel) -> None:
    with pytest.raises(UsageError, match=r"measure .* as a whole: answer_tokens=8\.$") as refused:
        tvsight.task_vector(model, "phrase_plural")
    assert "--" not in str(refused.value)
