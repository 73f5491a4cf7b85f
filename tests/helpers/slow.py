"""Write `tests/slow.txt`: the test functions that are left out unless `-m ''` asks for them.

    python -m tests.helpers.slow build/tests.xml

They took longer than `MOST` seconds in a run of all tests, all cases together, and are not among
`KEPT`.
"""

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

MOST = 4.0
"""Seconds of a fast test function, with as many processes as cores."""
KEPT = (
    "tests/experiments/test_everything.py::test_every_experiment_is_measured_and_drawn",
    "tests/test_toy.py::test_it_learns_in_context_and_a_task_vector_recovers_the_gap",
    "tests/interventions/test_families.py::",
    "tests/interventions/test_heads.py::",
    "tests/protocol/",
    "tests/statistics/",
)
"""Tests that stay in the fast tier, whatever they take: beginnings of names."""


def slow(durations: Path) -> list[str]:
    """The names of the slow test functions.

    Args:
        durations: a report in the form of JUnit.
    """
    seconds: Counter[str] = Counter()
    for case in ElementTree.parse(durations).iter("testcase"):
        file = case.attrib["classname"].replace(".", "/") + ".py"
        seconds[f"{file}::{case.attrib['name'].partition('[')[0]}"] += float(case.attrib["time"])
    return sorted(n for n, took in seconds.items() if took > MOST and not n.startswith(KEPT))


if __name__ == "__main__":
    target = Path(__file__).parent.parent / "slow.txt"
    target.write_text("".join(f"{name}\n" for name in slow(Path(sys.argv[1]))), encoding="utf-8")
