"""The benchmark of all analyses runs each once and names what a second run would measure."""

import numpy as np
import pytest

from benchmarks import everything
from benchmarks.everything import Ended
from tvsight.experiments import EXPERIMENTS

CALLER_GIGABYTES = 1
"""Held once by the process that starts a command."""


def test_every_analysis_is_run_once_and_what_is_left_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run: list[str] = []

    def ended(name: str, options: list[str]) -> Ended:
        run.append(name)
        assert "tiny" in options
        left = "heads / to_upper: to be measured" if "--dry-run" in options else ""
        seconds = {"main_results": 10.0, "heads": 40.0}.get(name, 5.0)
        return Ended(seconds, 1.5, 1 if name == "shots" else 0, left)

    monkeypatch.setattr(everything, "_run", ended)
    told: list[str] = []
    everything.report(["--model", "tiny"], told.append)
    assert run == [*EXPERIMENTS, "all"]
    assert "  main_results: 10 s, 1.5 GB" in told
    assert "  shots: 5 s, 1.5 GB; exit code 1" in told
    others = len(EXPERIMENTS) - 2
    assert told[-2] == (
        f"  all: {(50 + 5 * others) / 10:.1f} x the central comparison, "
        f"{(10 + 5 * (others - 1)) / 10:.1f} x without those about heads"
    )
    assert told[-1] == "  to be measured by a second run: heads / to_upper: to be measured"


def test_a_command_is_waited_for_with_its_memory_and_not_that_of_its_caller() -> None:
    small = everything._run("results", ["--help"])
    assert (small.code, "usage" in small.shown.lower()) == (0, True)
    assert small.seconds > 0
    assert np.ones(CALLER_GIGABYTES * 10**9 // 8).all()
    large = everything._run("results", ["--help"])
    assert 0.01 < large.gigabytes < CALLER_GIGABYTES / 2
    assert large.gigabytes == pytest.approx(small.gigabytes, rel=0.3)
    refused = everything._run("results", ["--no-such-option"])
    assert (refused.code, "no-such-option" in refused.shown) == (2, True)
