"""Names beside points, each where it covers no other name and no point."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from tvsight.output.lettering import width
from tvsight.output.theme import arranged, text_in

NAME = 6.5
"""Size of a name beside a point, in points."""
NEAR = 0.06
"""The distance of a point from a name that needs no line to it, in inches."""
CLOSE = 0.5
"""The distance of a point from others among which it is crowded, in inches."""
GAP = 0.02
"""Between two names at least, in inches."""
STEPS = 24
"""Distances that are tried, each `NEAR` further away."""
DIRECTIONS = 24
"""Directions that are tried at each distance, from the right upwards."""
ROUNDS = 6
"""The most times that each name is moved to a better place, given all others."""
OUTSIDE, COVERS, CROSSES, MEETS, AWAY = 100.0, 20.0, 5.0, 3.0, 3.0
"""Costs of a name outside the axes, of each name or point that it covers, of each one that its line
crosses, of each line that its line meets, and of each inch from its point."""
COVERS_NAMELESS = 1.5
"""Cost of each point without a name that a name covers."""

Points = Mapping[str, tuple[float, float, str]]
"""By name, where a point lies (in the units of the axes), and its colour."""
Floats = NDArray[np.float64]
Place = tuple[float, float]
"""In inches from the lower left corner of the axes."""


class _Candidates(NamedTuple):
    """The places that a name may take around its point."""

    point: Floats
    """`[2]`."""
    half: Floats
    """Half the width and height of the name, `[2]`."""
    middles: Floats
    """Of the name, `[places, 2]`."""
    near: NDArray[np.bool_]
    """Whether it needs no line there, `[places]`."""
    alone: Floats
    """The cost of each place, whatever the other names do, `[places]`."""


def name_points(
    figure: Figure, axes: Axes, points: Points, dot: float = 0.035, nameless: ArrayLike = ()
) -> None:
    """Write a name beside each point, in its colour, with a thin line where it stands further off.

    Points that coincide have one text. Call this last: it lays the figure out to know the size of
    the axes.

    Args:
        dot: half the size of a point, in inches.
        nameless: further points, `[n, 2]`, which names cover only where there is no other place.
    """
    arranged(figure)
    axes.apply_aspect()
    size = axes.get_window_extent()
    names: dict[Place, list[str]] = {}
    for name, (x, y, _) in points.items():
        across, up = axes.transData.transform((x, y)) - size.min
        place = (round(across / figure.dpi, 3), round(up / figure.dpi, 3))
        names.setdefault(place, []).append(name)
    texts = {place: ", ".join(names_there) for place, names_there in names.items()}
    room = np.array([size.width, size.height]) / figure.dpi
    further = axes.transData.transform(np.asarray(nameless, dtype=float).reshape(-1, 2)) - size.min
    for place, (middle, is_near) in _placed(texts, room, dot, further / figure.dpi).items():
        x, y, colour = points[names[place][0]]
        leader = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.4, "shrinkA": 0, "shrinkB": 2}
        axes.annotate(
            texts[place],
            xy=(x, y),
            xytext=tuple((middle - place) * 72),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=NAME,
            color=text_in(colour),
            arrowprops=None if is_near else leader,
        )


def _placed(
    texts: dict[Place, str], room: Floats, dot: float, nameless: Floats
) -> dict[Place, tuple[Floats, bool]]:
    """The middle of each name, and whether it stands so near that it needs no line.

    Of several orders in which names take their places, the one that costs least.
    """
    dots = np.array(list(texts))
    candidates = {
        place: _candidates(place, text, room, dots, dot, nameless) for place, text in texts.items()
    }
    crowded = sorted(texts, key=lambda place: sum(math.dist(place, o) < CLOSE for o in texts))
    upwards, across = sorted(texts, key=lambda place: place[1]), sorted(texts)
    settled = [_settled(candidates, order) for order in (crowded[::-1], upwards, across)]
    taken, _ = min(settled, key=lambda arrangement: arrangement[1])
    return {
        place: (candidates[place].middles[at], bool(candidates[place].near[at]))
        for place, at in taken.items()
    }


def _settled(
    candidates: dict[Place, _Candidates], order: list[Place]
) -> tuple[dict[Place, int], float]:
    """The place of each name, and what all of them cost.

    Each name in turn takes the best place that the others leave, until none moves.
    """
    taken: dict[Place, int] = {}
    costs: dict[Place, float] = {}
    for _ in range(ROUNDS):
        before = dict(taken)
        for place in order:
            others = [(candidates[other], at) for other, at in taken.items() if other != place]
            position_costs = _costs(candidates[place], others)
            taken[place] = int(position_costs.argmin())
            costs[place] = float(position_costs.min())
        if taken == before:
            break
    return taken, sum(costs.values())


def _candidates(
    place: Place, text: str, room: Floats, dots: Floats, dot: float, nameless: Floats
) -> _Candidates:
    """The places around a point for its name."""
    point = np.array(place)
    half = np.array([width(text, NAME) / 2 + 0.01, 0.62 * NAME / 72])
    angles = np.tile(2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS, STEPS)
    away = NEAR * np.repeat(np.arange(1, STEPS + 1), DIRECTIONS)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    middles = point + directions * (away[:, None] + half)
    near = away == NEAR
    outside = ((middles < half) | (middles > room - half)).any(axis=1)
    covered = _within(middles[:, None], dots, half + dot).sum(axis=1)
    others = dots[(dots != point).any(axis=1)]
    crossed = _crosses(point, middles[:, None], others, np.array(dot)).sum(axis=1) * ~near
    distance = np.linalg.norm(middles - point, axis=1)
    hidden = _within(middles[:, None], nameless, half + dot).sum(axis=1)
    alone = OUTSIDE * outside + COVERS * covered + CROSSES * crossed + AWAY * distance
    alone += COVERS_NAMELESS * hidden
    return _Candidates(point, half, middles, near, alone)


def _costs(own: _Candidates, others: list[tuple[_Candidates, int]]) -> Floats:
    """The cost of each place of a name, given the places of others, `[places]`."""
    if not others:
        return own.alone
    points, halves = (np.stack([getattr(o, name) for o, _ in others]) for name in ("point", "half"))
    middles = np.stack([other.middles[at] for other, at in others])
    with_line = np.array([not other.near[at] for other, at in others])
    mine, has_line = own.middles[:, None], ~own.near[:, None]
    covers = _within(mine, middles, own.half + halves + GAP)
    crosses = _crosses(own.point, mine, middles, halves) & has_line
    crossed = _crosses(points, middles, mine, own.half) & with_line
    meets = _meet(own.point, mine, points, middles) & has_line & with_line
    costs = COVERS * covers + CROSSES * (crosses | crossed) + MEETS * meets
    total: Floats = own.alone + costs.sum(axis=1)
    return total


def _within(points: Floats, middles: Floats, halves: Floats) -> NDArray[np.bool_]:
    """Whether points lie in rectangles, given by their middle and half their sides."""
    return np.asarray((np.abs(points - middles) < halves).all(axis=-1))


def _crosses(starts: Floats, ends: Floats, middles: Floats, halves: Floats) -> NDArray[np.bool_]:
    """Whether lines cross rectangles."""
    along = ends - starts
    along = np.where(along == 0, 1e-12, along)
    low, high = ((middles + side * halves - starts) / along for side in (-1, 1))
    enters, leaves = np.minimum(low, high).max(axis=-1), np.maximum(low, high).min(axis=-1)
    return np.asarray((enters < leaves) & (leaves > 0) & (enters < 1))


def _meet(starts: Floats, ends: Floats, firsts: Floats, lasts: Floats) -> NDArray[np.bool_]:
    """Whether lines from starts to ends meet those from `firsts` to `lasts`."""

    def side(a: Floats, b: Floats, c: Floats) -> Floats:
        """Positive where c lies to the left of the line from a to b."""
        found: Floats = (b - a)[..., 0] * (c - a)[..., 1] - (b - a)[..., 1] * (c - a)[..., 0]
        return found

    apart = side(firsts, lasts, starts) * side(firsts, lasts, ends) < 0
    crossing = side(starts, ends, firsts) * side(starts, ends, lasts) < 0
    return np.asarray(apart & crossing)
