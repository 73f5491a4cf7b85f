"""The README and docs/findings.md say what the tables of the reference results say.

Each claim is a sentence with numbers from the tables, and stands word for word in one of the two.
No number of an accuracy stands there outside a claim.
"""

import json
import re
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pandas as pd
import pytest

from tests.helpers.claims import claims
from tests.helpers.commands import ROOT
from tests.helpers.embedded import needs_embedded
from tests.helpers.head_claims import claims_of_heads
from tests.helpers.reference_tables import GEMMA
from tests.helpers.score_claims import claims_of_answers, claims_of_scores
from tests.helpers.steering_claims import claims_of_steering
from tvsight.config import RunConfig
from tvsight.models.loading import load_tokenizer
from tvsight.run.planning import read_plan

if TYPE_CHECKING:
    from tvsight.models.loading import Model

PAGES = {"README.md": r"\n## What holds\n(.*?)\n## ", "docs/findings.md": r"(.*)"}
"""Where claims stand, and which part of it."""
ACCURACY = re.compile(r"-?\d\.\d\d\b")


@cache
def all_claims() -> dict[str, str]:
    """Every claim, by a short name."""
    parts = (
        claims(),
        claims_of_scores(),
        claims_of_answers(),
        claims_of_heads(),
        claims_of_steering(),
    )
    every = {name: claim for part in parts for name, claim in part.items()}
    assert len(every) == sum(map(len, parts)), "two claims have one name"
    return every


@cache
def page(name: str) -> str:
    """The part of a page with claims, each run of spaces and line ends as one space."""
    found = re.search(PAGES[name], (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return " ".join(found[1].split())


def test_every_claim_is_what_the_tables_say() -> None:
    pages = [page(name) for name in PAGES]
    absent = [claim for claim in all_claims().values() if not any(claim in text for text in pages)]
    assert absent == []


@pytest.mark.parametrize("name", PAGES)
def test_no_accuracy_stands_outside_a_claim(name: str) -> None:
    text = page(name)
    for claim in all_claims().values():
        text = text.replace(claim, "")
    assert ACCURACY.findall(text) == []


def capitals() -> pd.DataFrame:
    """The first test episode about capitals in the reference results: a row per procedure."""
    folder = ROOT / "results" / "main_results" / GEMMA
    for file in folder.glob("country_capital-*/manifest.json"):
        asked = json.loads(file.read_text(encoding="utf-8"))["identity"]
        if (asked["shots"], asked["seed"]) == (5, 0):
            rows = pd.read_parquet(file.parent / "rows.parquet")
            return rows[(rows["split"] == "test") & (rows["episode"] == 0)].set_index("procedure")
    raise AssertionError("capitals were not measured")


@needs_embedded
def test_the_first_look_and_the_schematic_show_an_episode_as_it_was_measured() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("\n## A first look\n")[2].partition("\n## ")[0]
    schematic = (ROOT / "docs" / "schematic.svg").read_text(encoding="utf-8")
    rows = capitals()
    predicted, layer = rows["predicted"].str.strip(), rows["layer"]["task_vector"]
    shown = dict(re.findall(r"^(baseline|ICL|task vector): +(\S+)$", section, re.MULTILINE))
    procedures = {"baseline": "baseline", "ICL": "icl", "task vector": "task_vector"}
    assert shown == {said: predicted[name] for said, name in procedures.items()}
    assert f"({layer}, theta[{layer}])" in section
    assert f">block {layer}<" in schematic
    plan = read_plan(RunConfig(tasks="country_capital"))
    model = cast("Model", SimpleNamespace(tokenizer=load_tokenizer(GEMMA), name=GEMMA))
    episode = next(e for e in plan.episodes(plan.tasks[0], model)[0] if e.split == "test")
    words = [word for pair in episode.demonstrations for word in pair]
    words += [episode.query, episode.dummy_queries[0], *shown.values()]
    assert [word for word in words if word.strip() not in schematic] == []
