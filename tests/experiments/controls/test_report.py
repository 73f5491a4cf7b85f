import io
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from tests.helpers.control_rows import central_rows, control_rows, one_task, outcome, three_tasks
from tvsight.config import RunConfig
from tvsight.experiments.controls import NAME
from tvsight.experiments.controls.report import draw
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.run.outcome import Outcome


def drawn(found: Outcome, results: Path) -> tuple[str, list[str]]:
    """The printed text, and the names of the files."""
    options = RunConfig(results=str(results))
    display, files = Display(Console(file=io.StringIO(), width=170)), Drawn(options, NAME)
    draw(found, options, display, files)
    return display.console.file.getvalue(), [path.name for path in files.files]


def rows_of(table: Path) -> list[list[str]]:
    """The cells of a Markdown table, its heading first. Above it stand title and note."""
    lines = table.read_text(encoding="utf-8").split("\n\n")[2].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [cells[0], *cells[2:]]


def test_every_table_and_figure_is_written(tmp_path: Path) -> None:
    said, files = drawn(outcome(*three_tasks()), tmp_path)
    drawings = ("png", "pdf", "caption.md")
    parts = ("", "_means", "_shuffled", "_recognition")
    tables = [*(f"controls{part}.{kind}" for part in parts for kind in ("csv", "md", "tex"))]
    assert files == [
        *tables,
        *(f"controls.{kind}" for kind in drawings),
        *(f"controls_by_block.{kind}" for kind in ("csv", "md", "tex", *drawings)),
        *(f"controls_transfer.{kind}" for kind in ("csv", "md", "tex")),
        *(f"controls_transfer_a-model.{kind}" for kind in drawings),
    ]
    for title in (
        "a-model: accuracy on test episodes",
        "Means over tasks",
        "Shares that shuffled labels leave",
        "The mean vectors of other tasks",
    ):
        assert title in said
    assert "Ask for more" not in said
    assert "No distances between vectors: they are not stored." in said


def test_tables_say_the_numbers_and_which_controls_are_not_beaten(tmp_path: Path) -> None:
    drawn(outcome(*three_tasks()), tmp_path)
    heading, *rows = rows_of(tmp_path / "tables" / "controls.md")
    tasks = {row[1]: dict(zip(heading, row, strict=True)) for row in rows}
    assert tasks["one"]["Task vector"].startswith("0.80 [")
    assert tasks["one"]["Block"] == "3"
    assert tasks["one"]["Not beaten (5 %)"] == "Shuffled labels"
    assert tasks["two"]["Not beaten (5 %)"].split(", ") == [
        *("Shuffled labels", "Best other task (chosen on dev)")
    ]
    heading, *rows = rows_of(tmp_path / "tables" / "controls_means.md")
    means = {row[0]: dict(zip(heading, row, strict=True)) for row in rows}
    assert means["Random vector"]["Tasks where the vector is better (Holm, 5 %)"] == "3 of 3"
    assert means["ICL"]["Tasks where the vector is better (Holm, 5 %)"] == "–"
    assert means["Task vector"]["Lead of the vector"] == "–"
    assert means["Random vector"]["Vector compared with"] == "Task vector"
    assert means["ICL, shuffled labels"]["Vector compared with"] == "Shuffled labels"
    best = means["Best other task (chosen on dev)"]
    assert (best["Vector compared with"], best["Tasks where the vector is better (Holm, 5 %)"]) == (
        *("Own mean vector", "2 of 3"),
    )
    heading, row = rows_of(tmp_path / "tables" / "controls_shuffled.md")
    assert row[:3] == ["a-model", "3", "1.09 [0.75, 2.40]"]
    assert row[3] == "0.50 [0.50, 0.50]"
    heading, *rows = rows_of(tmp_path / "tables" / "controls_by_block.md")
    assert heading[:2] == ["Block", "Task vector"]
    assert [row[0] for row in rows] == [str(block) for block in range(6)]
    heading, *rows = rows_of(tmp_path / "tables" / "controls_transfer.md")
    assert [row[-3:] for row in rows] == [
        ["0.00 [0.00, 0.16]", "yes", "0 of 2"],
        ["0.60 [0.39, 0.78]", "no", "1 of 2"],
        ["0.00 [0.00, 0.16]", "yes", "0 of 2"],
    ]
    text = (tmp_path / "tables" / "controls_transfer.md").read_text(encoding="utf-8")
    last = [cell.strip() for cell in text.splitlines()[-1].strip("|").split("|")]
    assert last == ["a-model", "1 of 3", "two (one)"]
    assert [row[3] for row in rows] == ["0.50", "0.60", "–"]


def test_words_from_elsewhere_are_escaped(tmp_path: Path) -> None:
    def renamed(table: pd.DataFrame) -> pd.DataFrame:
        names = {"two": "<b>two|"}
        return table.assign(
            **{c: table[c].replace(names) for c in ("task", "source") if c in table}
        )

    drawn(outcome(*map(renamed, three_tasks())), tmp_path)
    for name in ("controls.md", "controls_transfer.md"):
        assert "<b>" not in (tmp_path / "tables" / name).read_text(encoding="utf-8")


def test_what_one_task_lacks_is_said(tmp_path: Path) -> None:
    said, files = drawn(outcome(*one_task()), tmp_path)
    assert "a-model: only one task, so there are no vectors of other tasks" in said
    assert not any("transfer" in name for name in files)


def test_a_task_without_shuffled_labels_is_named(tmp_path: Path) -> None:
    rows = control_rows("one", {"no_op": 2, "random_vector": 0}, {})
    said, _ = drawn(outcome(central_rows({"one": 16}), rows), tmp_path)
    assert "a-model, one: no permutation of the answers among the demonstrations" in said
    assert "there are no shuffled labels. Ask for more with --shots." in said


@pytest.mark.parametrize("tables", [three_tasks, one_task])
def test_without_controls_nothing_is_drawn(tmp_path: Path, tables: object) -> None:
    assert callable(tables)
    said, files = drawn(outcome(tables()[0]), tmp_path)
    assert (said, files) == ("No task has controls: nothing to draw.\n", [])


def test_a_remark_on_a_task_stands_beneath_its_table(tmp_path: Path) -> None:
    found = outcome(*three_tasks())
    found.results[0] = replace(found.results[0], note="a remark")
    drawn(found, tmp_path)
    assert (tmp_path / "tables" / "controls.md").read_text(encoding="utf-8").count("a remark") == 1
