from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.commands import analysis
from tvsight.config import check_given
from tvsight.errors import UsageError
from tvsight.experiments.function_vectors import RULES, Options
from tvsight.experiments.function_vectors.numbers import COMPARED
from tvsight.run.planning import read_plan

pytestmark = pytest.mark.slow

SIZES = ("--shots", "3", "--episodes-per-split", "4")


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Callable[[str], Path]) -> Path:
    return tiny_checkpoint("qwen2")


def test_function_vectors_are_planned_and_measured_as_on_a_server(
    checkpoint: Path, tmp_path: Path
) -> None:
    tasks = ("--tasks", "to_upper,next_letter", "--heads", "3", *SIZES)
    two = (*tasks, "--model", checkpoint, "--results", tmp_path)
    planned = analysis("function_vectors", *two, "--dry-run")
    assert (planned.returncode, planned.stderr) == (0, "")
    for name in ("main_results", "methods", "head_effects"):
        assert f"qwen2, {name}: 0 of 2 are in the store, 2 to do" in planned.stdout
    assert "function_vectors: after head_effects" in planned.stdout
    assert not list(tmp_path.iterdir())

    first = analysis("function_vectors", *two, "--remote-simulated")
    assert (first.returncode, first.stderr) == (0, "")
    table = pd.read_csv(tmp_path / "tables" / "function_vectors.csv")
    assert table["task"].tolist() == ["next_letter", "to_upper"]
    assert table[list(COMPARED)].notna().all(axis=None)
    curve = pd.read_csv(tmp_path / "tables" / "function_vectors_curve.csv")
    assert curve["heads"].tolist() == [1, 2, 3, 5, 10, 20]
    assert len(pd.read_csv(tmp_path / "tables" / "function_vectors_effects.csv")) == 2 * 20

    # More heads than there are, by the configuration or by the stored effects.
    many = [*two[: two.index("--heads")], "--heads", "21", *two[two.index("--heads") + 2 :]]
    for how in ((), ("--redraw",)):
        refused = analysis("function_vectors", *many, *how)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr == "error: --heads 21: qwen2 has 20 heads.\n"


def test_the_protocol_of_todd_sets_prompts_and_their_number() -> None:
    assert Options().with_protocol == Options()
    plan = read_plan(Options(tasks="antonyms", protocol="todd").with_protocol)
    assert plan.template.text == "Q:{x}\nA:{y}\n\n"
    assert (plan.sampling.shots, plan.sampling.per_split) == (10, 100)
    assert plan.sampling.division == "todd"
    with pytest.raises(UsageError, match="--protocol todd excludes --shots 5: a protocol sets"):
        check_given({"protocol": "--protocol todd", "shots": "--shots 5"}, RULES)
