"""Names beside points, each where it covers no other name and no point."""

from collections.abc import Mapping, Sequence

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
OUTSIDE, COVERS, CROSSES, AWAY = 100.0, 20.0, 5.0, 3.0
"""Costs of a name outside the axes, of each name or point that it covers, of each one that its line
crosses, and of each inch from its point."""
COVERS_NAMELESS = 1.5
"""Cost of each point without a name that a name covers."""

Points = Mapping[str, tuple[float, float, str]]
"""By name, where a point lies (in the units of the axes), and its colour."""
Floats = NDArray[np.float64]
Place = tuple[float, float]
"""In inches from the lower left corner of the axes."""


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
    if not points:
        return
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

    Of several orders in which names take their places, the one that costs least. Each name in turn
    takes the best place that the others leave, until none moves.
    """
    dots = np.array(list(texts))
    halves = np.array([[width(text, NAME) / 2 + 0.01, 0.62 * NAME / 72] for text in texts.values()])
    angles = np.tile(2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS, STEPS)
    away = NEAR * np.repeat(np.arange(1, STEPS + 1), DIRECTIONS)
    directions, near = np.stack([np.cos(angles), np.sin(angles)], axis=-1), away == NEAR
    middles = dots[:, None] + directions * (away[:, None] + halves[:, None])
    alone = []
    for point, half, places in zip(dots, halves, middles, strict=True):
        others = dots[(dots != point).any(axis=1)]
        outside = ((places < half) | (places > room - half)).any(axis=1)
        covered = _within(places[:, None], dots, half + dot).sum(axis=1)
        crossed = _crosses(point, places[:, None], others, np.array(dot)).sum(axis=1) * ~near
        hidden = _within(places[:, None], nameless, half + dot).sum(axis=1)
        costs = OUTSIDE * outside + COVERS * covered + CROSSES * crossed + COVERS_NAMELESS * hidden
        alone.append(costs + AWAY * np.linalg.norm(places - point, axis=1))

    def settled(order: Sequence[int]) -> tuple[float, dict[int, int]]:
        taken: dict[int, int] = {}
        total: dict[int, float] = {}
        for _ in range(ROUNDS):
            before = dict(taken)
            for name in order:
                others = [other for other in taken if other != name]
                at = [taken[other] for other in others]
                ends, sides, mine = middles[others, at], halves[others], middles[name][:, None]
                covers = _within(mine, ends, halves[name] + sides + GAP)
                crosses = _crosses(dots[name], mine, ends, sides) & ~near[:, None]
                crosses |= _crosses(dots[others], ends, mine, halves[name]) & ~near[at]
                costs = alone[name] + (COVERS * covers + CROSSES * crosses).sum(axis=1)
                taken[name], total[name] = int(costs.argmin()), float(costs.min())
            if taken == before:
                break
        return sum(total.values()), taken

    names = range(len(dots))
    crowd = (np.linalg.norm(dots[:, None] - dots, axis=-1) < CLOSE).sum(axis=1)
    orders = (crowd.argsort(kind="stable")[::-1], dots[:, 1].argsort(), dots[:, 0].argsort())
    _, taken = min((settled(order.tolist()) for order in orders), key=lambda found: found[0])
    return {
        place: (middles[name, taken[name]], bool(near[taken[name]]))
        for name, place in zip(names, texts, strict=True)
    }


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
