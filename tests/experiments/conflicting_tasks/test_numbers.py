import pandas as pd
import pytest

from tests.helpers.conflict_rows import DEV, SWEPT, pair_rows
from tvsight.experiments.conflicting_tasks import PAPER_PAIRS
from tvsight.experiments.conflicting_tasks.numbers import (
    beside_paper,
    by_block,
    by_pair,
    followed,
    overridden,
    pair_line,
    unpatched_on_dev,
)
from tvsight.paper import paper_by_pair
from tvsight.statistics.intervals import wilson
from tvsight.tasks import packaged_tasks


def test_each_rule_has_a_row_with_accuracies_on_both_tasks() -> None:
    table = by_pair(pair_rows())
    assert table["layer_rule"].tolist() == ["zero_shot", "conflict"]
    assert table["layer"].tolist() == [2, 1]
    assert table["layer_identified"].tolist() == [False, True]
    assert table["n"].tolist() == table["queries"].tolist() == [20, 20]
    assert table["icl_demonstrations"].tolist() == [0.8, 0.8]
    assert table["icl_patched"].tolist() == [0.05, 0.05]
    assert table["task_vector_demonstrations"].tolist() == [0.4, 0.05]
    assert table["task_vector_patched"].tolist() == [0.35, 0.75]
    ends = table.loc[1, ["task_vector_patched_low", "task_vector_patched_high"]].tolist()
    assert ends == pytest.approx(wilson(15, 20))


def test_a_vector_overrides_where_the_lead_changes_sides() -> None:
    table = by_pair(pair_rows()).set_index("layer_rule")
    assert table["icl_follows"].tolist() == ["demonstrations"] * 2
    assert table["task_vector_follows"].tolist() == ["neither", "patched"]
    assert table["overrides"].tolist() == [False, True]
    # Without the vector 16 queries for A against 1 for B, with it 15 for B against 1 for A. The
    # larger p-value is that of the latter: (1 + 16) / 2^16.
    assert table.loc["conflict", "overrides_p"] == pytest.approx(17 / 2**16)
    both = by_pair(pd.concat([pair_rows("a→b"), pair_rows("c→d", conflict=(0, 18))]))
    found = both[both["layer_rule"] == "conflict"]
    # (1 + 17) / 2^17 without the vector, where it is larger than 2^-18 with it; two pairs of a rule
    assert found["overrides_p"].tolist() == pytest.approx([17 / 2**16, 18 / 2**17])
    assert found["overrides_p_holm"].tolist() == pytest.approx([18 / 2**16, 18 / 2**16])
    (_, row) = by_pair(pair_rows(icl=(1, 9), conflict=(0, 15))).to_dict("records")
    assert (row["icl_follows"], row["task_vector_follows"]) == ("patched", "patched")
    assert row["overrides"] is False  # what was not followed is not overridden


@pytest.mark.parametrize(
    ("answered", "follows", "p"),
    [
        ((0, 5), "patched", 1 / 32),
        ((0, 4), "neither", 1 / 16),
        ((5, 0), "demonstrations", 1.0),
        ((0, 0), "neither", 1.0),
        ((8, 8), "neither", 0.5 + 12870 / 2**17),
    ],
)
def test_who_is_followed_is_an_exact_test(
    answered: tuple[int, int], follows: str, p: float
) -> None:
    rows = pair_rows(conflict=answered)
    found = followed(rows[(rows["split"] == "test") & (rows["layer_rule"] == "conflict")])
    assert (found[0], found[1]["patched"]) == (follows, pytest.approx(p))


def test_a_query_is_one_piece_of_evidence_however_often_it_is_asked() -> None:
    rows = pair_rows(conflict=(0, 20), queries=[f"query {number % 4}" for number in range(20)])
    found = followed(rows[(rows["split"] == "test") & (rows["layer_rule"] == "conflict")])
    assert (found[0], found[1]["patched"]) == ("neither", 1 / 16)
    assert by_pair(rows)["queries"].tolist() == [4, 4]


def test_models_and_pairs_stay_apart_in_their_order() -> None:
    whole = pd.concat([pair_rows("b→a"), pair_rows("a→b", (0, 0)), pair_rows("b→a", model="m")])
    table = by_pair(whole)
    assert table["task"].tolist() == ["b→a", "b→a", "a→b", "a→b", "b→a", "b→a"]
    assert table["icl_demonstrations"].tolist() == [0.8, 0.8, 0, 0, 0.8, 0.8]
    assert table["model"].tolist() == ["a-model"] * 4 + ["m"] * 2


def test_dev_accuracy_is_that_after_each_block_of_each_sweep() -> None:
    table = by_block(pair_rows())
    for (rule, scored_as), right in SWEPT.items():
        sweep = table[(table["layer_rule"] == rule) & (table["scored_as"] == scored_as)]
        assert sweep["layer"].tolist() == [0, 1, 2]
        assert sweep["accuracy"].tolist() == [count / DEV for count in right]
        assert sweep["layer"][sweep["chosen"]].tolist() == [2 if rule == "zero_shot" else 1]
        assert set(sweep["n"]) == {DEV}
    assert len(table) == 3 * len(SWEPT)
    level = unpatched_on_dev(pair_rows()).set_index("scored_as")["accuracy"].to_dict()
    assert level == {"demonstrations": 0.75, "patched": 0.25}


def test_the_paper_has_its_five_pairs_and_one_that_does_not_override() -> None:
    paper = paper_by_pair()
    assert paper["task"].tolist() == [pair.replace(":", "→") for pair in PAPER_PAIRS]
    assert set(paper["model"]) == {"llama-13b"}
    known = packaged_tasks()
    for category, pair in zip(paper["category"], PAPER_PAIRS, strict=True):
        assert {known[name].category for name in pair.split(":")} == {category}
    overridden = paper["task_vector_patched"] > paper["task_vector_demonstrations"]
    assert overridden.tolist() == [True, True, True, True, False]
    assert (paper["icl_demonstrations"] > paper["icl_patched"]).all()
    assert paper.iloc[2, 3:7].tolist() == [0.51, 0.14, 0.08, 0.74]


def test_the_papers_numbers_stand_after_the_pairs_that_it_has() -> None:
    rows = [pair_rows("own→two"), pair_rows("en_es→en_fr"), pair_rows("own→two", model="m")]
    numbers = beside_paper(by_pair(pd.concat(rows)), paper_by_pair())
    assert numbers["model"].tolist() == ["a-model"] * 2 + ["m"] * 2 + ["a-model"] * 2 + [
        "llama-13b"
    ]
    assert numbers["source"].tolist() == ["tvsight"] * 6 + ["paper"]
    assert numbers["layer"].tolist()[:-1] == [2, 1] * 3
    assert numbers.iloc[-1]["task_vector_patched"] == 0.07


def test_a_pair_in_a_line() -> None:
    assert pair_line(pair_rows()) == (
        "ICL 0.80 on A, 0.05 on B  vector after block 2 (zero-shot) 0.40, 0.35  vector after block "
        "1 (conflict) 0.05, 0.75 (overrides)  n 20 (20 queries)"
    )


def test_pairs_are_counted_before_and_after_holms_correction() -> None:
    # p = 2^-5 without the vector and with it: two of these tests do not hold 5 % together.
    weak = {"icl": (5, 0), "zero_shot": (0, 5)}
    rows = [pair_rows("a→b", **weak), pair_rows("c→d", conflict=(0, 4), **weak)]
    rows.append(pair_rows("a→b", model="b-model", **weak))
    table = overridden(by_pair(pd.concat(rows, ignore_index=True)))
    assert table.to_dict("list") == {
        "model": ["a-model", "a-model", "b-model", "b-model"],
        "layer_rule": ["zero_shot", "conflict"] * 2,
        "pairs": [2, 2, 1, 1],
        "overrides": [2, 1, 1, 1],
        "overrides_holm": [0, 0, 1, 1],
    }
