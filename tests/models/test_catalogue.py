import re
from collections import Counter

from tvsight.models.catalogue import EMBEDDED, catalogue
from tvsight.models.sources import HUB_ID

ENTRIES = list(catalogue().values())
PAPER = [
    *("llama-7b", "llama-13b", "llama-30b", "gpt-j-6b"),
    *("pythia-2.8b", "pythia-6.9b", "pythia-12b"),
]


def test_an_alias_is_a_lower_case_folder_name_and_each_entry_can_be_told_apart() -> None:
    odd = [e.alias for e in ENTRIES if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", e.alias)]
    assert odd == [entry.alias for entry in ENTRIES if HUB_ID.fullmatch(entry.alias)] == []
    assert [e.hub_id for e in ENTRIES if not HUB_ID.fullmatch(e.hub_id)] == []
    ids = Counter(entry.hub_id for entry in ENTRIES)
    names = Counter(entry.display_name for entry in ENTRIES)
    assert ids.most_common(1)[0][1] == names.most_common(1)[0][1] == 1


def test_entries_are_of_three_groups_with_the_models_of_the_paper() -> None:
    packaged = [entry.alias for entry in ENTRIES if entry.package is not None]
    assert packaged == [e.alias for e in ENTRIES if e.group == "package"]
    assert packaged[0] == EMBEDDED
    assert [e.alias for e in ENTRIES if e.group == "paper"] == PAPER
    assert {entry.group for entry in ENTRIES} == {"package", "paper", "ndif"}
    assert [entry.alias for entry in ENTRIES if not entry.licence.strip()] == []


def test_the_models_of_meta_and_google_are_gated_and_the_others_are_not() -> None:
    gated = {entry.hub_id for entry in ENTRIES if entry.gated}
    assert gated == {e.hub_id for e in ENTRIES if e.hub_id.startswith(("meta-llama/", "google/"))}


def test_the_size_in_a_name_is_the_number_of_parameters() -> None:
    for entry in ENTRIES:
        size = re.search(r"(\d+(?:\.\d+)?)([bm])\b", entry.alias)
        if size is None:
            assert entry.alias == "gpt2"
            continue
        named = float(size[1]) * {"b": 1e9, "m": 1e6}[size[2]]
        assert 0.9 < entry.parameters / named < 1.1, entry.alias
