from pathlib import Path

import pandas as pd

from tests.helpers.conflict_rows import pair_rows
from tvsight.config import RunConfig
from tvsight.experiments.conflicting_tasks import NAME, Options
from tvsight.experiments.conflicting_tasks.numbers import beside_paper, by_pair
from tvsight.experiments.conflicting_tasks.report import TABLE, draw
from tvsight.output import columns
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.paper import paper_by_pair
from tvsight.run.outcome import Outcome, Stored
from tvsight.storage.manifests import Key


def test_the_papers_numbers_are_texts_without_what_it_does_not_report() -> None:
    rows = pd.concat([pair_rows("own→two"), pair_rows("en_es→en_fr")])
    texts = columns.texts(beside_paper(by_pair(rows), paper_by_pair()), TABLE.all_of())
    assert texts.iloc[-1].tolist() == [
        "en → es",
        "en → fr",
        "LLaMA 13B (paper)",
        "(zero-shot)",
        "0.93",
        "0.04",
        "0.91",
        "0.07",
        *[""] * 4,
    ]
    assert texts.iloc[1].tolist() == [
        "own",
        "two",
        "a-model",
        "1 (conflict)",
        "0.80 [0.58, 0.92]",
        "0.05 [0.01, 0.24]",
        "0.05 [0.01, 0.24]",
        "0.75 [0.53, 0.89]",
        "A, then B",
        "yes",
        "20 (20)",
        "",
    ]
    assert texts["Note"].tolist()[0] == "layer not identified"


def test_names_of_tasks_and_remarks_on_them_are_shown_as_they_stand(tmp_path: Path) -> None:
    pair = "_own_→a|b"
    stored = Stored(Key("a-model", pair), Path(NAME), pair_rows(pair), "a remark")
    drawn = Drawn(RunConfig(results=str(tmp_path)), NAME)
    draw(Outcome([stored]), Options(), Display(), drawn)
    table = (tmp_path / "tables" / f"{NAME}.md").read_text()
    assert r"Demonstrations (A) \_own_" in table
    assert r"Vector (B) a\|b" in table
    assert r"| \_own_ / a\|b" in table
    assert "a remark" in table
    assert "| zero-shot     |          0 of 1 |                0 of 1 |     1 |" in table
    assert [path.name for path in drawn.files] == [
        *(f"{NAME}.{kind}" for kind in ("csv", "md", "tex")),
        *(f"{NAME}_a-model.{kind}" for kind in ("png", "pdf", "caption.md")),
        *(f"{NAME}_by_block_a-model.{kind}" for kind in ("png", "pdf", "caption.md")),
    ]
