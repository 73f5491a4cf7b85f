"""The card of a data set, made from manifests."""

import re

import pytest
from huggingface_hub import DatasetCard

from tests.helpers.example_store import IDENTITY, MADE, OTHER, RESULT
from tests.helpers.hostile import WORDS, raw
from tvsight.errors import UsageError
from tvsight.sharing.card import card

NAME, ROWS = "me/mine", "main_results/*/*/rows.parquet"


@pytest.mark.parametrize("word", WORDS)
def test_words_of_manifests_are_harmless_in_a_card(word: str) -> None:
    text = WORDS[word]
    identity = IDENTITY | dict.fromkeys(("model", "task", "dtype", "template", "seed"), text)
    source = {"kind": "hub", "id": text, "revision": text}
    manifest = MADE | {"identity": identity, "files": {}, "written": text, "source": source}
    shown = card(NAME, [manifest | {"device": text, "versions": {"tvsight": text}}])
    assert raw(shown) == set()
    read = DatasetCard(shown)
    named = {"config_name": "main_results", "data_files": ROWS, "default": True}
    assert read.data.to_dict()["configs"] == [named]
    rows = [line for line in read.text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 1 + 2 + 1 + 2 + 6
    assert not re.search(r"<script|(?<!\\)\[x\]", read.text)


def test_tables_count_results_and_rows_of_two_schemas_are_two_configurations() -> None:
    """The viewer reads files of the same columns together."""
    made = MADE | {"files": {}, "written": "2026-01-01"}
    manifests = [
        made | {"identity": result.identity, "schema_version": schema}
        for schema, result in enumerate((RESULT, OTHER), start=1)
    ]
    shown = DatasetCard(card(NAME, manifests))
    configurations = shown.data.to_dict()["configs"]
    paths = [[f"{result.path}/rows.parquet"] for result in (RESULT, OTHER)]
    assert [one["config_name"][-9:] for one in configurations] == ["_schema_1", "_schema_2"]
    assert [one["data_files"] for one in configurations] == paths
    rows = [line for line in shown.text.splitlines() if line.startswith("| ")]
    assert r"| main_results | 2 | 1 | 1 |" in rows
    assert "| org/model-1b |  |  | float32 |  | 2 |" in rows
    assert "| seed | 0, 1 |" in rows


@pytest.mark.parametrize("licence", ["MIT licence", "mit\nx: y", ""])
def test_a_licence_is_named_as_the_hub_names_it(licence: str) -> None:
    with pytest.raises(UsageError, match="--licence"):
        card(NAME, [], licence)
