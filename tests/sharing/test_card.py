"""The card of a data set, made from manifests."""

import re

import pytest
from huggingface_hub import DatasetCard

from tests.helpers.example_store import IDENTITY, MADE, OTHER, RESULT
from tests.helpers.hostile import WORDS, raw
from tvsight.errors import UsageError
from tvsight.sharing.card import card

NAME = "me/mine"


@pytest.mark.parametrize("word", WORDS)
def test_words_of_manifests_are_harmless_in_a_card(word: str) -> None:
    text = WORDS[word]
    identity = IDENTITY | dict.fromkeys(("model", "task", "dtype", "template", "seed"), text)
    source = {"kind": "hub", "id": text, "revision": text}
    manifest = MADE | {"identity": identity, "files": {}, "written": text, "source": source}
    shown = card(NAME, [manifest | {"device": text, "versions": {"tvsight": text}}])
    assert raw(shown) == set()
    read = DatasetCard(shown)
    assert read.data.to_dict()["configs"] == [
        {
            "config_name": "main_results",
            "data_files": "main_results/*/*/rows.parquet",
            "default": True,
        }
    ]
    rows = [line for line in read.text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 1 + 2 + 1 + 2 + 6
    assert not re.search(r"<script|(?<!\\)\[x\]", read.text)


def test_rows_of_two_schemas_are_two_configurations() -> None:
    """The viewer reads files of the same columns together."""
    paths = []
    manifests = []
    for schema, result in enumerate((RESULT, OTHER), start=1):
        manifest = MADE | {"identity": result.identity, "files": {}, "written": "2026-01-01"}
        manifests.append(manifest | {"schema_version": schema})
        paths.append(f"{result.path}/rows.parquet")
    configurations = DatasetCard(card(NAME, manifests)).data.to_dict()["configs"]
    assert [one["config_name"][-9:] for one in configurations] == ["_schema_1", "_schema_2"]
    assert [one["data_files"] for one in configurations] == [[path] for path in paths]


@pytest.mark.parametrize("licence", ["MIT licence", "mit\nx: y", ""])
def test_a_licence_is_named_as_the_hub_names_it(licence: str) -> None:
    with pytest.raises(UsageError, match="--licence"):
        card(NAME, [], licence)
