"""Every experiment's figures on a page of one column: large enough type, nothing wider than the
page, cut off or written over."""

import re
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

import pandas as pd
import pytest

from tests.helpers import function_vector_rows, head_rows, steering_rows, template_rows
from tests.helpers.conflict_rows import pair_rows
from tests.helpers.example_figures import GOLDENS, LARGE
from tests.helpers.example_rows import outcome_of
from tests.helpers.learned_rows import learned_rows
from tests.helpers.legible import assert_legible
from tests.helpers.recorded import Recorded, Told
from tvsight.experiments import EXPERIMENTS
from tvsight.output.plots import Plot
from tvsight.output.theme import ONE_COLUMN, page

pytestmark = pytest.mark.slow
EXAMPLES = GOLDENS | {f"large: {name}": plot for name, plot in LARGE.items()}
PAIRS = [f"present_simple_past_simple→task_{number}" for number in range(7)]
ROWS: dict[str, Callable[[], Any]] = {
    "function_vectors": lambda: function_vector_rows.outcome(function_vector_rows.eighteen_tasks()),
    "heads": lambda: head_rows.outcome("a-model", "b-model"),
    "learned_vectors": lambda: outcome_of(learned_rows("one"), learned_rows("two", 4)),
    "steering": lambda: steering_rows.outcome("gemma-3-270m"),
    "conflicting_tasks": lambda: outcome_of(pd.concat(map(pair_rows, PAIRS), ignore_index=True)),
    "templates": lambda: outcome_of(*map(template_rows.variant_rows, ("one", "two"))),
}
"""Experiments without figures among the examples."""
OPTIONS = {"function_vectors": {"heads": function_vector_rows.SIZE}}
"""Where their defaults suit other rows."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_can_be_read_in_one_column(name: str) -> None:
    assert_legible_in_one_column(lambda: [EXAMPLES[name]()])


@pytest.mark.parametrize("name", ROWS)
def test_what_an_experiment_draws_can_be_read_in_one_column(name: str) -> None:
    def drawn() -> Iterable[Plot]:
        files = Recorded(name)
        options = import_module(f"tvsight.experiments.{name}").Options(**OPTIONS.get(name, {}))
        report = import_module(f"tvsight.experiments.{name}.report")
        report.draw(ROWS[name](), options, Told(), files)
        assert files.figures
        return files.figures.values()

    assert_legible_in_one_column(drawn)


@pytest.mark.parametrize("name", ["clusters", "matrix", "methods", "variability"])
def test_a_caption_says_where_panels_stand_in_one_column(name: str) -> None:
    on_two_columns = re.compile(r"\b(Left|Right|Last column): |· is 0")
    assert on_two_columns.search(LARGE[name]().caption)
    with page(ONE_COLUMN):
        assert not on_two_columns.search(LARGE[name]().caption)


def test_no_experiment_is_left_out() -> None:
    for name in set(EXPERIMENTS) - set(ROWS):
        assert any(example.startswith(name) for example in GOLDENS), name


def assert_legible_in_one_column(drawn: Callable[[], Iterable[Plot]]) -> None:
    with page(ONE_COLUMN):
        for plot in drawn():
            assert_legible(plot)
