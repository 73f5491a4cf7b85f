from dataclasses import replace

from tests.helpers.control_rows import central_rows, control_rows, one_task, outcome, three_tasks
from tests.helpers.recorded import Recorded, Told
from tvsight.config import RunConfig
from tvsight.experiments.controls import NAME
from tvsight.experiments.controls.report import draw
from tvsight.run.outcome import Outcome

BETTER = "Tasks where the vector is better (Holm, 5 %)"
BEST = "Best other task (chosen on dev)"


def drawn(found: Outcome) -> tuple[Recorded, str]:
    """What is drawn, and what is printed."""
    files, display = Recorded(NAME), Told()
    draw(found, RunConfig(results="/nowhere"), display, files)
    return files, " ".join(display.text.split())


def test_tables_say_the_numbers_and_which_controls_are_not_beaten() -> None:
    found = outcome(*three_tasks())
    found.results[0] = replace(found.results[0], note="a remark")
    files, said = drawn(found)
    parts = ("", "_means", "_shuffled", "_recognition", "_by_block", "_transfer")
    assert list(files.tables) == [f"{NAME}{part}" for part in parts]
    assert list(files.figures) == [
        f"{NAME}_a-model",
        f"{NAME}_by_block",
        f"{NAME}_transfer_a-model",
    ]
    assert "a-model: accuracy on test episodes" in said
    assert "Ask for more" not in said
    assert "No distances between vectors: they are not stored." in said
    tasks, remarks = files.cells[NAME]
    one, two, _ = tasks.to_dict("records")
    assert one["Task vector"].startswith("0.80 [")
    assert (one["Block"], one["Not beaten (5 %)"]) == ("3", "Shuffled labels")
    assert two["Not beaten (5 %)"] == f"Shuffled labels, {BEST}"
    assert "a remark" in remarks.to_string()
    means = files.cells[f"{NAME}_means"][0].set_index("Procedure")
    better = means.loc[["Random vector", "ICL", BEST], BETTER].tolist()
    assert better == ["3 of 3 (3 of 3)", "–", "2 of 3 (2 of 3)"]
    assert means.loc["Task vector", "Lead of the vector"] == "–"
    compared = means.loc[["Random vector", "ICL, shuffled labels", BEST], "Vector compared with"]
    assert compared.tolist() == ["Task vector", "Shuffled labels", "Own mean vector"]
    shares = files.cells[f"{NAME}_shuffled"][0].iloc[0].tolist()
    assert shares[:5] == ["a-model", "all", "3", "1.09 [0.75, 2.40]", "0.50 [0.50, 0.50]"]
    blocks = files.cells[f"{NAME}_by_block"][0]
    assert list(blocks)[1:3] == ["Block", "Task vector"]
    assert blocks["Block"].tolist() == [str(block) for block in range(6)]
    pairs, unbeaten = files.cells[f"{NAME}_transfer"]
    assert pairs.iloc[:, [4, -3, -2, -1]].to_numpy().tolist() == [
        ["0.50", "0.00 [0.00, 0.16]", "yes", "0 of 2"],
        ["0.60", "0.60 [0.39, 0.78]", "no", "1 of 2"],
        ["–", "0.00 [0.00, 0.16]", "yes", "0 of 2"],
    ]
    assert unbeaten.to_numpy().tolist() == [["a-model", "1 of 3 (1 of 3)", "two (one)"]]
    assert files.escaped[NAME] >= {"Model", "Category", "Task"}
    words = {"Model", "Category", "Task", "Best other task on dev", "Which (by whose)"}
    assert files.escaped[f"{NAME}_transfer"] >= words


def test_what_a_task_lacks_is_said() -> None:
    files, said = drawn(outcome(*one_task()))
    assert "a-model: only one task, so there are no vectors of other tasks" in said
    assert not any("transfer" in name for name in (*files.tables, *files.figures))
    rows = control_rows("one", {"no_op": 2, "random_vector": 0}, {})
    _, said = drawn(outcome(central_rows({"one": 16}), rows))
    assert "a-model, one: no permutation of the answers among the demonstrations" in said
    assert "there are no shuffled labels. Ask for more with --shots." in said


def test_without_controls_nothing_is_drawn() -> None:
    files, said = drawn(outcome(three_tasks()[0]))
    assert said == "No task has controls: nothing to draw."
    assert files.tables == files.figures == {}
