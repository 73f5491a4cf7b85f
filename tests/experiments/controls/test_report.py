from dataclasses import replace
from pathlib import Path

from tests.helpers.control_rows import central_rows, control_rows, one_task, outcome, three_tasks
from tests.helpers.recorded import Recorded, Told
from tests.helpers.renamed_rows import renamed_rows
from tvsight.config import RunConfig
from tvsight.experiments.controls import NAME, RENAMED
from tvsight.experiments.controls.report import draw
from tvsight.run.outcome import Outcome, Stored
from tvsight.storage.manifests import Key

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


def test_renamed_labels_have_a_table_with_a_row_per_seed_and_reader() -> None:
    found = outcome(*three_tasks())
    for seed in (0, 1):
        for task in ("sentiment", "list_max"):
            rows = renamed_rows(task, less=seed).assign(seed=seed)
            note = "a remark on renamed labels"
            path = Path(RENAMED, "a-model", f"{task}-{seed}")
            found.results.append(Stored(Key("a-model", task), path, rows, note))
    files, display = Recorded(NAME), Told()
    draw(found, RunConfig(results="/nowhere", seed=(0, 1)), display, files)
    table = files.cells[f"{NAME}_renamed"][0]
    assert table["Seed"].tolist() == ["0"] * 3 + ["1"] * 3
    assert table["Procedure"].tolist() == ["ICL", "Task vector", "Task vector"] * 2
    assert table["Block chosen for the answer"].tolist() == ["–", "right", "renamed"] * 2
    assert [cell[:4] for cell in table["Renamed answer"]][:3] == ["0.53", "0.32", "0.47"]
    assert table.loc[2, ["Over ICL", "Equal (p)"]].tolist() == ["-0.05 [-0.05, -0.05]", "1"]
    assert table.loc[0, ["Over ICL", "Equal (p)"]].tolist() == ["–", "–"]
    by_task = files.tables[f"{NAME}_renamed_by_task"]
    assert by_task[["task", "seed"]].drop_duplicates().shape == (4, 2)
    # Remarks on results stand beneath the table of tasks where they are of its own.
    assert all("renamed" not in cells.to_string() for cells in files.cells[NAME][1:])


def test_without_controls_nothing_is_drawn() -> None:
    files, said = drawn(outcome(three_tasks()[0]))
    assert said == "No task has controls: nothing to draw."
    assert files.tables == files.figures == {}
