"""Refusals of an analysis come before anything is measured."""

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.recorded import Told
from tests.helpers.small_runs import refuse
from tests.helpers.tiny_models import DEPTH, HEADS, build
from tvsight.cli.analysis import analyse
from tvsight.errors import RefusedError, UsageError
from tvsight.run import places
from tvsight.run.runner import Runner

COMPARING = ("main_results", "layer_sweep", "shots")
OF_ONE_VECTOR = (
    *("conflicting_tasks", "controls", "templates", "token_projections", "vector_clusters"),
)
OF_HEADS = ("function_vectors", "heads", "steering")
SMALL: dict[str, Any] = {"tasks": "to_upper", "episodes_per_split": 2, "shots": 2, "device": "cpu"}


def options_of(name: str, **options: Any) -> Any:
    return import_module(f"tvsight.experiments.{name}").Options(**SMALL, **options)


def collect(name: str, options: Any) -> None:
    report = import_module(f"tvsight.experiments.{name}.report")
    report.collect(Runner(Told()), options)


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("name", [*COMPARING, *OF_ONE_VECTOR])
def test_an_unknown_method_is_refused_before_anything_is_measured(
    name: str,
    dry_run: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(places, "load", refuse)
    results = tmp_path / "results"
    where = {"results": str(results), "dry_run": dry_run}
    with pytest.raises(UsageError, match="--methods: unknown method 'mean_stat'"):
        analyse(name, options_of(name, methods=("mean_stat",), **where))
    own = tmp_path / "own.py"
    own.write_text("KEY = 'own'\n", encoding="utf-8")
    file = {"method_file": str(own), "trust_method_file": True}
    with pytest.raises(UsageError, match=r"own\.py: KEY, TITLE and METHOD"):
        analyse(name, options_of(name, **file, **where))
    assert capsys.readouterr().out == ""
    assert not results.exists()


@pytest.mark.parametrize("name", OF_ONE_VECTOR)
def test_the_averaged_vector_is_refused_where_it_would_change_nothing(name: str) -> None:
    with pytest.raises(UsageError, match="--methods averaged_vector: main_results, layer_sweep"):
        options_of(name, methods=("task_vector", "averaged_vector"))
    assert options_of(name).methods == ("task_vector",)


@pytest.mark.parametrize("dry_run", [False, True])
def test_too_many_heads_are_refused_before_a_model_is_loaded(
    dry_run: bool,
    tiny_checkpoint: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(places, "load", refuse)
    models = (str(tiny_checkpoint("qwen2")), str(tiny_checkpoint("gpt2")))
    results, total = tmp_path / "results", DEPTH * HEADS
    where: dict[str, Any] = {"model": models, "results": str(results), "dry_run": dry_run}
    with pytest.raises(RefusedError, match=f"--heads {total + 1}: qwen2 has {total} heads"):
        collect("function_vectors", options_of("function_vectors", heads=total + 1, **where))
    assert not results.exists()


@pytest.mark.parametrize("name", OF_HEADS)
def test_heads_that_cannot_be_told_apart_are_refused_before_anything_is_measured(
    name: str, without_heads: Path, tmp_path: Path
) -> None:
    with pytest.raises(RefusedError, match="heads of BloomForCausalLM cannot be told apart"):
        collect(name, options_of(name, model=(str(without_heads),), results=str(tmp_path)))
    assert list(tmp_path.rglob("manifest.json")) == []


@pytest.fixture(scope="module")
def without_heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that applies its output projections slice by slice."""
    folder = tmp_path_factory.mktemp("without_heads") / "bloom"
    return build("bloom", folder, slow_but_exact=True, pretraining_tp=2)


def test_a_check_of_models_ends_with_its_block(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    """`analyses.all` has one runner for every analysis."""
    runner, checked = Runner(Told()), []
    model = (str(tiny_checkpoint("qwen2")),)
    options = options_of("main_results", model=model, results=str(tmp_path))
    experiment = import_module("tvsight.protocol.central").requests
    with suppress(RefusedError), runner.requiring(lambda model: checked.append(model.name)):
        runner.outcome(options, experiment)
        raise RefusedError
    runner.outcome(options_of("shots", model=model, results=str(tmp_path), seed=(1,)), experiment)
    assert checked == ["qwen2"]
