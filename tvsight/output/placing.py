"""Names beside points, each where it covers no other name and no point."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tvsight.output.lettering import width
from tvsight.output.theme import arranged, text_in

NAME = 6.5
"""Size of a name beside a point, in points."""
NEAR = 0.06
"""From a point to a name that needs no line to it, in inches."""
CLOSE = 0.5
"""From a point to others among which it is crowded, in inches."""
THIN = 0.004
"""Half the width of the line to a name, in inches."""
STEPS = 16
"""Distances that are tried, each `NEAR` further away."""
DIRECTIONS = 24
"""Directions that are tried at each distance, from the right upwards."""

Points = Mapping[str, tuple[float, float, str]]
"""By name, where a point lies (in the units of the axes), and its colour."""


class _Box(NamedTuple):
    """A rectangle, in inches from the lower left corner of the axes."""

    x: float
    y: float
    half_width: float
    half_height: float

    def meets(self, other: "_Box") -> bool:
        """Whether two rectangles overlap."""
        near = abs(self.x - other.x) < self.half_width + other.half_width
        return near and abs(self.y - other.y) < self.half_height + other.half_height


def name_points(figure: Figure, axes: Axes, points: Points, dot: float = 0.035) -> None:
    """Write a name beside each point, in its colour, with a thin line where it stands further off.

    Points that coincide have one text. Call this last: it lays the figure out to know the size of
    the axes.

    Args:
        dot: half the size of a point, in inches.
    """
    arranged(figure)
    axes.apply_aspect()
    size = axes.get_window_extent()
    room = (size.width / figure.dpi, size.height / figure.dpi)
    names: dict[tuple[float, float], list[str]] = {}
    for name, (x, y, _) in points.items():
        across, up = axes.transData.transform((x, y)) - size.min
        place = (round(across / figure.dpi, 3), round(up / figure.dpi, 3))
        names.setdefault(place, []).append(name)
    taken = [_Box(*place, dot, dot) for place in names]
    for place in sorted(names, key=lambda place: _crowd(place, names), reverse=True):
        x, y, colour = points[names[place][0]]
        text = ", ".join(names[place])
        half = (width(text, NAME) / 2 + 0.01, 0.62 * NAME / 72)
        box, line = min(
            _candidates(place, half),
            key=lambda found: _cost(found[0], found[1], place, room, taken),
        )
        taken += [box, *line]
        leader = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.4, "shrinkA": 0, "shrinkB": 2}
        axes.annotate(
            text,
            xy=(x, y),
            xytext=((box.x - place[0]) * 72, (box.y - place[1]) * 72),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=NAME,
            color=text_in(colour),
            arrowprops=leader if line else None,
        )


def _crowd(place: tuple[float, float], places: Iterable[tuple[float, float]]) -> int:
    """The number of points close to one."""
    return sum(math.dist(place, other) < CLOSE for other in places)


def _cost(
    box: _Box,
    line: list[_Box],
    place: tuple[float, float],
    room: tuple[float, float],
    taken: list[_Box],
) -> float:
    """How bad a place for a name is: outside the axes, over something, or far from its point."""
    over = sum(box.meets(other) for other in taken)
    crossed = sum(part.meets(other) for part in line for other in taken)
    outside = any(
        not half <= middle <= whole - half
        for middle, half, whole in zip(box[:2], box[2:], room, strict=True)
    )
    return 100 * outside + 10 * over + 5 * (crossed > 0) + crossed + math.dist(box[:2], place)


def _candidates(
    place: tuple[float, float], half: tuple[float, float]
) -> Iterator[tuple[_Box, list[_Box]]]:
    """Boxes around a point, each with small ones along the line to it."""
    for step in range(1, STEPS + 1):
        for direction in range(DIRECTIONS):
            angle = 2 * math.pi * direction / DIRECTIONS
            across, up = math.cos(angle), math.sin(angle)
            away = NEAR * step
            box = _Box(
                place[0] + across * (away + half[0]), place[1] + up * (away + half[1]), *half
            )
            yield (
                box,
                [
                    _Box(place[0] + across * NEAR * part, place[1] + up * NEAR * part, THIN, THIN)
                    for part in range(1, step)
                ],
            )
