from pathlib import Path
from typing import Any, cast

import pandas as pd

from tests.helpers.recorded import Told
from tvsight.output import columns as c
from tvsight.output.findings import Findings
from tvsight.output.page import Page, Table

ROWS = pd.DataFrame(
    {
        **{"model": ["a", "a", "b"], "task": ["one", "two", "one"], "icl": [0.5, 0.25, 0.75]},
        **{"icl_low": [0.4, 0.2, None], "icl_high": [0.6, 0.3, None], "layer": [3, 4, 5]},
    }
)
TABLE = Table("Accuracy", "", (c.MODEL, c.TASK, *c.procedures(["icl"]), c.BLOCK))
FILES = [
    Path("results", *names)
    for names in (
        ("tables", "x.csv"),
        ("tables", "x_full.tex"),
        ("figures", "x.png"),
        ("figures", "x.caption.md"),
        ("figures", "y.png"),
    )
]


def shown(verbose: bool, *tables: Table) -> list[str]:
    """The lines of a report on some tables."""
    told = Told()
    display = Findings(told, verbose)
    page = Page(display, cast(Any, None))  # it draws nothing
    page.note("A remark.")
    for table in tables:
        page.show(table, ROWS)
    assert told.text == ""
    display.show(["It is so"], FILES, "One is kept.")
    return [line.rstrip() for line in told.text.splitlines() if line.strip()]


def test_the_finding_is_first_and_a_table_has_each_model_under_its_name() -> None:
    lines = shown(False, TABLE._replace(brief=("Task", "ICL")), TABLE)
    assert [line for line in lines if "─" not in line] == [
        *("It is so", "A remark.", "a: Accuracy", "Task  ICL", "one   0.50", "two   0.25"),
        *("b: Accuracy", "Task  ICL", "one   0.75"),
        "--verbose shows intervals, all columns and 1 more table.",
        "Wrote 1 table in results/tables, 2 figures in results/figures.",
        "One is kept.",
    ]


def test_verbose_shows_everything() -> None:
    lines = shown(True, TABLE._replace(brief=("Task", "ICL")), TABLE)
    assert lines[:2] == ["It is so", "A remark."]
    assert len([line for line in lines if "0.50 [0.40, 0.60]" in line]) == 2
    assert lines[-6:] == [*(f"Wrote {file}" for file in FILES), "One is kept."]


def test_a_report_without_tables_points_to_none() -> None:
    assert shown(False) == [
        *("It is so", "A remark."),
        "Wrote 1 table in results/tables, 2 figures in results/figures.",
        "One is kept.",
    ]
