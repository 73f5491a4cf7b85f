from itertools import combinations, pairwise, product

import pytest
from matplotlib.colors import to_hex

from tests.helpers.colours import VISION, distance, lab
from tvsight.experiments.heads import KINDS
from tvsight.output.procedures import (
    BESIDE_CONTROLS,
    BESIDE_FUNCTION_VECTORS,
    BESIDE_STEERING,
    CENTRAL,
    COMPARED,
    FURTHER,
    OWN,
    PROCEDURES,
)
from tvsight.output.theme import (
    CATEGORY_COLOURS,
    COLOUR_MAP,
    LEAST_TYPE,
    READABLE,
    STYLE,
    contrast,
    model_colours,
    text_in,
    text_on,
)
from tvsight.tasks import CATEGORIES

COLOURS = {name: PROCEDURES[name].colour for name in CENTRAL}
SHADES = [to_hex(COLOUR_MAP(step / 255)) for step in range(256)]


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("black", "white") == pytest.approx(21)
    assert contrast("#777777", "white") == pytest.approx(4.48, abs=0.01)
    assert contrast("white", "#777777") == contrast("#777777", "white")


@pytest.mark.parametrize("vision", VISION)
def test_procedures_are_told_apart_whatever_a_reader_sees(vision: str) -> None:
    for one, other in combinations(COLOURS.values(), 2):
        assert distance(one, other, vision) > 20
    for one, other in combinations(COMPARED, 2):
        lightness = (lab(COLOURS[name], vision)[0] for name in (one, other))
        assert abs(next(lightness) - next(lightness)) > 12


def test_procedures_are_told_apart_in_greyscale() -> None:
    light = [lab(COLOURS[name])[0] for name in ("icl", "averaged_vector", "task_vector")]
    light.append(lab(COLOURS["baseline"])[0])
    assert min(next_one - one for one, next_one in pairwise(light)) > 14


@pytest.mark.parametrize("vision", VISION)
def test_categories_are_told_apart_whatever_a_reader_sees(vision: str) -> None:
    assert tuple(CATEGORY_COLOURS) == CATEGORIES
    for one, other in combinations(CATEGORY_COLOURS.values(), 2):
        assert distance(one, other, vision) > 20
        assert abs(lab(one)[0] - lab(other)[0]) > 13


def test_no_category_has_the_colour_of_a_procedure() -> None:
    colours = [procedure.colour for procedure in (*PROCEDURES.values(), OWN)]
    for one, other in product(CATEGORY_COLOURS.values(), colours):
        assert distance(one, other) > 10


def test_procedures_that_are_drawn_together_are_told_apart_in_grey_and_by_protanopes() -> None:
    together = [
        [PROCEDURES[name] for name in BESIDE_CONTROLS],
        [PROCEDURES[name] for name in BESIDE_FUNCTION_VECTORS],
        [PROCEDURES[name] for name in BESIDE_STEERING],
        [*(PROCEDURES[name] for name in (*CENTRAL, *FURTHER, "learned_vector")), OWN],
        [PROCEDURES[name] for name in ("baseline", "icl", "own_mean", "learned_vector")],
        [PROCEDURES[f"ablated_{kind}"] for kind in KINDS] + [PROCEDURES["icl"]],
    ]
    assert {one for group in together for one in group} == {*PROCEDURES.values(), OWN}
    for group in together:
        for one, other in combinations(group, 2):
            assert distance(one.colour, other.colour) > 10
            # In grey the marker tells, or the lightness.
            assert distance(one.colour, other.colour, "protanopia") >= 15, (one, other)
            apart = abs(lab(one.colour)[0] - lab(other.colour)[0])
            assert one.marker != other.marker or apart >= 10


def test_zero_is_light_in_heat_maps_and_lightness_falls_evenly() -> None:
    lightness = [lab(shade)[0] for shade in SHADES]
    assert lightness[0] > 97
    steps = [one - other for one, other in pairwise(lightness)]
    assert min(steps) >= 0
    assert max(steps) < 1


def test_texts_in_cells_can_be_read_over_the_whole_map() -> None:
    colours = [text_on(shade) for shade in SHADES]
    assert min(map(contrast, colours, SHADES)) >= READABLE
    assert colours == sorted(colours)  # black, then white: they change once


@pytest.mark.parametrize("colour", [*COLOURS.values(), *CATEGORY_COLOURS.values(), "white"])
def test_a_name_in_the_colour_of_its_line_can_be_read(colour: str) -> None:
    assert contrast(text_in(colour), "white") >= READABLE
    if contrast(colour, "white") >= READABLE:
        assert to_hex(text_in(colour)) == colour


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_models_have_lines_from_dark_to_light(count: int) -> None:
    colours = model_colours(count)
    lightness = [lab(colour)[0] for colour in colours]
    assert len(set(colours)) == count
    assert lightness == sorted(lightness)
    assert lightness[-1] < 85


def test_no_type_of_the_style_is_small() -> None:
    sizes = {name: size for name, size in STYLE.items() if name.endswith("size")}
    assert len(sizes) > 4
    assert min(sizes.values()) >= LEAST_TYPE
