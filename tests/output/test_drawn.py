from pathlib import Path

import pandas as pd
import pytest

from tvsight.config import RunConfig
from tvsight.errors import UsageError
from tvsight.output.drawn import Drawn
from tvsight.output.plots import Plot
from tvsight.output.tables import Wording
from tvsight.output.theme import new_figure


def test_something_else_has_files_of_its_own_and_its_note_in_every_text(tmp_path: Path) -> None:
    drawn = Drawn(RunConfig(results=str(tmp_path)), "some")
    other = drawn.of("other", "Of something else.")
    numbers = pd.DataFrame({"accuracy": [0.5]})
    for one in (drawn, other):
        figure = new_figure(2, 2)
        figure.subplots()
        one.figure(Plot(figure, "A finding", "What is drawn."))
        cells = [numbers.astype(str)]
        one.table(numbers, cells, "means", names=[], wording=Wording("A table", "A row."))
    assert len(drawn.files) == len(set(drawn.files)) == 14
    assert other.files is drawn.files
    captions = [tmp_path / "figures" / f"{name}.caption.md" for name in ("some", "some_other")]
    tables = [tmp_path / "tables" / f"{name}_means.md" for name in ("some", "some_other")]
    for plain, noted in (captions, tables):
        assert "Of something else." not in plain.read_text(encoding="utf-8")
        assert "Of something else." in noted.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("drawn_models", "said"),
    [
        ({"smollm2-135m"}, " --model smollm2-135m"),
        ({"gemma-3-270m"}, ""),
        ({"smollm2-135m", "gemma-3-270m"}, " --model gemma-3-270m smollm2-135m"),
        (set(), " --model gemma-3-270m smollm2-135m qwen2.5-coder-1.5b"),
    ],
)
def test_a_caption_names_the_models_that_are_drawn(
    tmp_path: Path, drawn_models: set[str], said: str
) -> None:
    asked = ("gemma-3-270m", "smollm2-135m", "qwen2.5-coder-1.5b")
    drawn = Drawn(RunConfig(model=asked, results=str(tmp_path)), "some")
    drawn.name_only(drawn_models)
    figure = new_figure(2, 2)
    figure.subplots()
    drawn.figure(Plot(figure, "A finding", "What is drawn."))
    caption = (tmp_path / "figures" / "some.caption.md").read_text(encoding="utf-8")
    assert caption.endswith(f"Drawn by `python -m analyses.some{said}`.\n")


def test_nothing_is_written_over_in_one_run(tmp_path: Path) -> None:
    drawn = Drawn(RunConfig(results=str(tmp_path)), "some")
    drawn.numbers(pd.DataFrame({"accuracy": [0.5]}), "means")
    with pytest.raises(UsageError, match="tables/some_means is written already"):
        drawn.of("means").numbers(pd.DataFrame({"accuracy": [0.25]}))
    assert "0.5" in (tmp_path / "tables" / "some_means.csv").read_text(encoding="utf-8")
