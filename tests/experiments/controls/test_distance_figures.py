import numpy as np

from tests.helpers.control_rows import eighteen_tasks
from tests.helpers.legible import assert_legible
from tests.helpers.vector_examples import eighteen
from tvsight.experiments.controls.distance_figures import MEANS, OTHERS_NAME, scatter
from tvsight.experiments.controls.distance_numbers import by_distance, correlations, pairs
from tvsight.experiments.controls.numbers import transfer
from tvsight.output.labels import number


def test_every_pair_is_a_point_and_the_title_says_the_correlation() -> None:
    many = pairs(transfer(*eighteen_tasks()), [eighteen()])
    found = correlations(many)
    plot = scatter(many, by_distance(many), found, {"a-model": 6})
    (axes,) = plot.figure.axes
    points = {str(line.get_label()): line.get_xydata() for line in axes.lines}
    assert sum(len(points[name]) for name in points if name != MEANS) == len(many) == 306
    apart = many[many["category"] != many["source_category"]]
    assert np.array_equal(points[OTHERS_NAME], apart[["distance", "accuracy"]].to_numpy())
    assert plot.title.endswith(f"rank correlation {number(found['correlation'].iloc[0])}")
    assert len(axes.texts) > 0
    assert_legible(plot)
