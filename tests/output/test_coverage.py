from pathlib import Path

import pandas as pd

from tvsight.config import RunConfig
from tvsight.output.coverage import FOLDER, Coverage
from tvsight.output.drawn import Drawn
from tvsight.output.plots import Plot
from tvsight.output.theme import new_figure

NOTHING = Coverage(0, 0, 0)
WIDE, NARROW, SEEDS = Coverage(18, 3, 54), Coverage(2, 1, 2), Coverage(18, 3, 162)


def draw(
    folder: Path,
    own: Coverage,
    value: float,
    unrecorded: Coverage = NOTHING,
    overwrite: bool = False,
) -> str:
    """Draw a table and a figure; returns what is said of those that are kept."""
    drawn = Drawn(RunConfig(results=str(folder), overwrite=overwrite), "some")
    covered = drawn.keep_wider(own, unrecorded)
    figure = new_figure(2, 2)
    figure.subplots()
    drawn.of("other").figure(Plot(figure, f"It is {value}", "What is drawn."))
    drawn.numbers(pd.DataFrame({"accuracy": [value]}))
    covered.record()
    assert len(drawn.files) == 4 - (3 + 1 if covered.kept else 0)
    return str(covered) if covered.kept else ""


def shown(folder: Path) -> set[str]:
    """The value that each file shows."""
    table = (folder / "tables" / "some.csv").read_text().split()[-1]
    caption = (folder / "figures" / "some_other.caption.md").read_text()
    return {table, caption.partition("It is ")[2].partition(".**")[0]}


def test_results_are_counted_by_task_and_model() -> None:
    known = [("a", "antonyms"), ("a", "antonyms"), ("a", "to_upper"), ("b", "to_upper")]
    results = [("main_results", *of) for of in known]
    assert Coverage.of(results) == (2, 2, 4)
    assert Coverage.of([*results, ("scores", "a", "of_no_task")]) == (2, 2, 5)
    assert Coverage.of([]) == NOTHING
    assert str(Coverage(1, 3, 3)) == "1 task × 3 models (3 results)"


def test_a_run_that_covers_less_keeps_what_is_there_and_says_so(tmp_path: Path) -> None:
    assert draw(tmp_path, WIDE, 0.5) == ""
    said = draw(tmp_path, NARROW, 0.25)
    place = tmp_path / "figures" / "some_other.png"
    assert said == (
        f"{place} and 1 other have 18 tasks × 3 models (54 results); kept. --overwrite replaces "
        "them."
    )
    assert shown(tmp_path) == {"0.5"}


def test_a_run_that_covers_as_much_or_more_replaces(tmp_path: Path) -> None:
    for value, own in ((0.5, NARROW), (0.25, Coverage(3, 1, 3)), (0.75, SEEDS), (0.3, SEEDS)):
        assert draw(tmp_path, own, value) == ""
        assert shown(tmp_path) == {str(value)}
    assert draw(tmp_path, WIDE, 0.5) != ""  # it has other seeds


def test_overwriting_replaces_and_what_is_drawn_then_counts(tmp_path: Path) -> None:
    draw(tmp_path, WIDE, 0.5)
    assert draw(tmp_path, NARROW, 0.25, overwrite=True) == ""
    assert draw(tmp_path, NARROW, 0.75) == ""
    assert shown(tmp_path) == {"0.75"}


def test_files_without_a_record_show_what_is_stored_beside_them(tmp_path: Path) -> None:
    draw(tmp_path, WIDE, 0.5)
    record = tmp_path / FOLDER / "some.json"
    for text in ("", "[1]", '{"tables/some.csv": [1]}'):
        record.write_text(text)
        assert draw(tmp_path, NARROW, 0.25, WIDE) != ""
        assert draw(tmp_path, WIDE, 0.5, WIDE) == ""
    record.unlink()
    assert draw(tmp_path, NARROW, 0.25, NARROW) == ""
    assert shown(tmp_path) == {"0.25"}


def test_a_file_that_is_gone_is_drawn_anew(tmp_path: Path) -> None:
    draw(tmp_path, WIDE, 0.5)
    for file in (tmp_path / "tables").iterdir():
        file.unlink()
    for file in (tmp_path / "figures").iterdir():
        file.unlink()
    assert draw(tmp_path, NARROW, 0.25) == ""
    assert shown(tmp_path) == {"0.25"}
