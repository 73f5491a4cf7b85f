"""Every figure of the views of the central comparison and of the controls: small ones beside their
golden, and large ones that their texts can be read."""

import pytest

from tests.helpers.example_figures import GOLDENS, LARGE
from tests.helpers.golden import assert_golden
from tests.helpers.legible import assert_legible


@pytest.mark.parametrize("name", GOLDENS)
def test_a_small_figure_is_as_its_golden_and_can_be_read(name: str) -> None:
    plot = GOLDENS[name]()
    assert_golden(name, plot)
    assert_legible(plot, "full" if name.startswith("vector_") else "short")


@pytest.mark.parametrize("name", LARGE)
def test_a_large_figure_can_be_read(name: str) -> None:
    assert_legible(LARGE[name]())
