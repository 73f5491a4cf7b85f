from typing import Any, cast

from tests.helpers.example_rows import outcome_of, rows_by_shots, task_rows
from tests.helpers.recorded import Recorded, Told
from tvsight.config import RunConfig
from tvsight.experiments.shots import NAME, Options, report
from tvsight.run.outcome import Outcome
from tvsight.run.runner import Runner
from tvsight.storage.manifests import Key


class Results:
    """A runner that notes what it is asked for, and has one task and lacks another."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, bool]] = []

    def outcome(self, config: RunConfig, experiment: Any) -> Outcome:
        self.asked.append((config.shots, config.vectors))
        outcome = outcome_of(task_rows("one", (0, config.shots, 1, 1)))
        outcome.failures[Key("a-model", "two")] = "too few pairs"
        return outcome


def collected(options: Options) -> tuple[Results, Outcome]:
    results = Results()
    return results, report.collect(cast(Runner, results), options)


def test_rows_and_failures_say_with_how_many_demonstrations() -> None:
    _, outcome = collected(Options(shot_counts="4,1"))
    assert [set(result.rows["shots"]) for result in outcome.results] == [{1}, {4}]
    assert {result.key for result in outcome.results} == {Key("a-model", "one")}
    assert {str(key): why for key, why in outcome.failures.items()} == {
        "a-model / two / 1 shots": "too few pairs",
        "a-model / two / 4 shots": "too few pairs",
    }


def test_vectors_are_kept_where_other_analyses_look_at_them() -> None:
    assert collected(Options(shot_counts="1,5"))[0].asked == [(1, False), (5, True)]
    assert collected(Options(shot_counts="1,5", vectors=False))[0].asked == [(1, False), (5, False)]


def test_the_table_has_a_row_per_number_of_demonstrations() -> None:
    rows = rows_by_shots()
    outcome = outcome_of(*(one_rows for _, one_rows in rows.groupby(["shots", "task"])))
    drawn = Recorded(NAME)
    report.draw(outcome, Options(), Told(), drawn)
    assert drawn.tables["shots"]["shots"].tolist() == [1, 1, 4, 4]
    (cells,) = drawn.cells["shots"]
    assert cells["Demonstrations"].tolist() == ["1", "4"]
    assert cells["Task vector"].tolist() == ["0.10 [0.00, 0.20]", "0.40 [0.30, 0.50]"]
    assert cells["Block (median)"].tolist() == ["3", "3"]
    # 6 and 2 of 20 more are right with one demonstration, 6 and 6 with four.
    assert cells["ICL − task vector"].tolist() == ["0.20 [0.20, 0.20]", "0.30 [0.30, 0.30]"]
    assert cells["Vector beats baseline (Holm)"].tolist() == ["0 of 2 (0 of 2)", "2 of 2 (2 of 2)"]
    assert cells["ICL beats vector (Holm)"].tolist() == ["0 of 2 (0 of 2)", "2 of 2 (2 of 2)"]
    assert set(drawn.figures) == {"shots"}


def test_without_a_task_that_has_every_number_there_is_nothing_to_draw() -> None:
    one = task_rows("one", (0, 8, 4, 6)).assign(shots=1)
    two = task_rows("two", (0, 8, 4, 6)).assign(shots=4)
    drawn, display = Recorded(NAME), Told()
    report.draw(outcome_of(one, two), Options(), display, drawn)
    assert display.text.startswith("No task was measured with every number of demonstrations")
    assert not drawn.tables
    assert not drawn.figures
