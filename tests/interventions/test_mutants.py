"""Breaking the code in ways that matter makes the tests fail that are there for it."""

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.helpers.commands import ROOT, Finished
from tests.helpers.forked_commands import fork

pytestmark = pytest.mark.slow

FAMILIES, EPISODES = "tests/interventions/test_families.py", "tests/prompts/test_episodes.py"
TRACES, DECODER = "tests/interventions/test_traces.py", "tests/interventions/test_decoder.py"
HEADS = "tests/interventions/test_heads.py"
MEASURING = "tests/protocol/test_conditions.py"
ANNOUNCED = "tests/run/test_announcement.py"
COPIED = ("tvsight", "tests", "benchmarks", "analyses", "pyproject.toml")


class Mutant(NamedTuple):
    """A change of one file, and the tests of which at least one must fail."""

    file: str
    before: str
    after: str
    test_file: str
    tests: str
    """Words in their names, as `pytest -k` takes them."""


MUTANTS = {
    "a vector is applied one block too low": Mutant(
        "tvsight/interventions/traces.py",
        "lowest, highest = min(layers), max(layers)",
        "layers = [max(0, layer - 1) for layer in layers]; "
        "lowest, highest = min(layers), max(layers)",
        FAMILIES,
        "llama and layer_sweep",
    ),
    "states are read one block too low": Mutant(
        "tvsight/interventions/traces.py",
        "decoder.read(decoder.blocks[block])",
        "decoder.read(decoder.blocks[max(0, block - 1)])",
        FAMILIES,
        "llama and residual_streams",
    ),
    "states are read one token too early": Mutant(
        "tvsight/interventions/traces.py",
        "mask.sum(dim=1) - 1",
        "(mask.sum(dim=1) - 2).clamp(min=0)",
        FAMILIES,
        "llama and residual_streams",
    ),
    "a dummy query may be the query": Mutant(
        "tvsight/prompts/episodes.py",
        "[pair for pair in drawn if pair.input != query.input][:count]",
        "drawn[:count]",
        EPISODES,
        "every_draw_is_fit",
    ),
    "of equally good blocks the highest is chosen": Mutant(
        "tvsight/protocol/measure.py",
        "correct.index(max(correct))",
        "len(correct) - 1 - correct[::-1].index(max(correct))",
        MEASURING,
        "is_the_lowest",
    ),
    "a patch may change what it should not": Mutant(
        "tvsight/protocol/measure.py",
        'baseline["margin"] > TIE[dtype]',
        'baseline["margin"] > 1e9',
        MEASURING,
        "no_op_patch",
    ),
    "a head is replaced in place of the next one": Mutant(
        "tvsight/interventions/traces.py",
        "replaced[row, layer, head] = True",
        "replaced[row, layer, head - 1] = True",
        HEADS,
        "gpt2 and heads_replaced_are",
    ),
    "every head writes its projection's bias": Mutant(
        "tvsight/interventions/attention.py",
        'if getattr(projection._module, "bias", None) is not None:',
        "if False:",
        HEADS,
        "gpt2 and part_of_the_projection",
    ),
    "a prefix of one token is not cached": Mutant(
        "tvsight/interventions/traces.py",
        "if ids.shape[1] > 0:",
        "if ids.shape[1] > 1:",
        TRACES,
        "prefix_of_one_token",
    ),
    "other parts are sought than the one that is missing": Mutant(
        "tvsight/interventions/decoder.py",
        "if alias == part]",
        "if alias != part]",
        DECODER,
        "every_place",
    ),
    "vectors are announced at the size of one job's": Mutant(
        "tvsight/run/measurements.py",
        "sum(job.vector_bytes for job in jobs)",
        "max(job.vector_bytes for job in jobs)",
        ANNOUNCED,
        "size_of_vectors",
    ),
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code, which every test leaves as it was."""
    folder = tmp_path_factory.mktemp("copied")
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    return folder


def outcome_of(folder: Path, files: Iterable[str], words: str) -> Finished:
    """Run tests of the code in a folder, up to the first that fails."""
    # Whoever measures the coverage of the code here is not asking about a copy.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV"))}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)}
    # The plugin of anyio cannot be imported after nnsight, which gives every object a `save`.
    options = ["-q", "-x", "-n0", "-p", "no:cacheprovider", "-p", "no:anyio", "-m", "", "-k", words]
    again = [name for name in COPIED if (ROOT / name).is_dir()]
    return fork().run("pytest", [*options, *files], folder, environment, again)


def test_without_a_mutant_all_those_tests_pass(copied: Path) -> None:
    files = dict.fromkeys(mutant.test_file for mutant in MUTANTS.values())
    words = " or ".join(f"({mutant.tests})" for mutant in MUTANTS.values())
    ended = outcome_of(copied, files, words)
    assert ended.returncode == 0, ended.stdout
    assert re.search(r"^\d+ passed", ended.stdout, re.MULTILINE), ended.stdout


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name: str, copied: Path) -> None:
    mutant = MUTANTS[name]
    file = copied / mutant.file
    source = file.read_text(encoding="utf-8")
    assert source.count(mutant.before) == 1, f"{mutant.file} has changed: adapt the mutant"
    file.write_text(source.replace(mutant.before, mutant.after), encoding="utf-8")
    ended = outcome_of(copied, [mutant.test_file], mutant.tests)
    file.write_text(source, encoding="utf-8")
    # An error is as good: the check at every load may already refuse the model.
    assert ended.returncode == 1, ended.stdout
    assert re.search(r"^(FAILED|ERROR) tests/", ended.stdout, re.MULTILINE), ended.stdout
