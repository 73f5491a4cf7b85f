from dataclasses import replace

import pandas as pd
import pytest

from tests.helpers.conflict_rows import pair_rows
from tests.helpers.example_rows import outcome_of
from tests.helpers.golden import assert_golden
from tests.helpers.legible import assert_legible
from tests.helpers.recorded import Recorded, Told
from tvsight.experiments.conflicting_tasks import NAME, Options, figures, numbers
from tvsight.experiments.conflicting_tasks.report import TABLE, draw
from tvsight.output import columns
from tvsight.output.plots import Plot
from tvsight.paper import paper_by_pair

LONG = f"{'a' * 60}→{'b' * 60}"
MANY = [f"present_simple_past_simple→task_{number}" for number in range(7)]


def by_pair(*results: pd.DataFrame) -> Plot:
    table = numbers.by_pair(pd.concat(results, ignore_index=True))
    return figures.by_pair(table, paper_by_pair(), "a-model")


def by_block(*results: pd.DataFrame) -> Plot:
    rows = pd.concat(results, ignore_index=True)
    tested, unpatched = numbers.by_pair(rows), numbers.unpatched_on_dev(rows)
    return figures.by_block(numbers.by_block(rows), unpatched, tested, "a-model")


def test_figures_are_those_of_before_the_papers_pair_among_them() -> None:
    rows = [pair_rows(pair) for pair in ("one→two", "en_es→en_fr")]
    assert_golden(NAME, by_pair(*rows))
    assert_golden(f"{NAME}_by_block", by_block(*rows))
    names = [text.get_text() for text in by_pair(rows[0]).figure.legends[0].get_texts()]
    assert figures.PAPER.name not in names


def test_marks_and_title_are_after_holms_correction() -> None:
    weak = [pair_rows(f"{name}→two", icl=(5, 0), zero_shot=(0, 5)) for name in ("three", "four")]
    plot = by_pair(pair_rows("one→two", zero_shot=(0, 10)), *weak)  # 2^-5, times two, is above 5 %
    assert plot.title.endswith("in 1 of 3 pairs")
    marks = [[text.get_text() for text in axes.texts] for axes in plot.figure.axes]
    assert "block 2 of 0–2 *?" in marks[0]
    assert "block 2 of 0–2 ?" in marks[1]
    assert "* overrides (3 tests, Holm)" in plot.note


@pytest.mark.parametrize("pairs", [[LONG], MANY[:3], MANY])
def test_no_text_is_cut_or_written_over(pairs: list[str]) -> None:
    rows = [pair_rows(pair) for pair in pairs]
    assert_legible(by_pair(*rows))
    assert_legible(by_block(*rows))


def test_the_papers_numbers_are_texts_without_what_it_does_not_report() -> None:
    rows = pd.concat([pair_rows("own→two"), pair_rows("en_es→en_fr")])
    whole = numbers.beside_paper(numbers.by_pair(rows), paper_by_pair())
    texts = columns.texts(whole, TABLE.all_of())
    assert texts.iloc[-1].tolist() == [
        *("en → es", "en → fr", "LLaMA 13B (paper)", "(zero-shot)"),
        *("0.93", "0.04", "0.91", "0.07", "", "", "", ""),
    ]
    assert texts.iloc[1].tolist() == [
        *("own", "two", "a-model", "1 (conflict)", "0.80 [0.58, 0.92]", "0.05 [0.01, 0.24]"),
        *("0.05 [0.01, 0.24]", "0.75 [0.53, 0.89]", "A, then B", "yes", "20 (20)", ""),
    ]
    assert texts["Note"].tolist()[0] == "layer not identified"


def test_a_remark_and_the_counts_stand_beneath_and_names_are_escaped() -> None:
    found = outcome_of(pair_rows("_own_→a|b"), experiment=NAME)
    found.results[0] = replace(found.results[0], note="a remark")
    drawn = Recorded(NAME)
    draw(found, Options(), Told(), drawn)
    table, counts, remarks = drawn.cells[NAME]
    assert counts.iloc[0].tolist() == ["a-model", "zero-shot", "0 of 1", "0 of 1", "1"]
    assert "a remark" in remarks.to_string()
    assert drawn.escaped[NAME] >= {*table.columns[:3], "Model"}
    assert list(drawn.figures) == [f"{NAME}_a-model", f"{NAME}_by_block_a-model"]
