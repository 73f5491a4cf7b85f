from typing import Any

import pandas as pd
import pytest

from tests.helpers.example_rows import task_rows
from tests.helpers.projection_rows import chosen, projected
from tvsight.experiments.token_projections.numbers import (
    at_blocks,
    beside_paper,
    over_tasks,
    ranks,
    shares,
    task_line,
    top_tokens,
    visible,
    windows,
    with_chosen,
)
from tvsight.models.catalogue import catalogue
from tvsight.paper import paper_top_tokens
from tvsight.tasks import PAPER_TASKS

TOKENS = [" the", "The", "\n", "city", "CITY", "7th", "größe", "GRÖSSE", "", "ab-c", "語"]

Ranks = dict[str, list[float]]


def shown(rows: pd.DataFrame, **options: Any) -> list[str]:
    return top_tokens(rows, **options)["shown"].tolist()


@pytest.fixture
def rows() -> pd.DataFrame:
    return projected("one", [TOKENS, TOKENS[::-1]], {"answers": [4, 2]})


def test_the_papers_filter_keeps_letters_and_the_first_of_each_spelling(rows: pd.DataFrame) -> None:
    table = top_tokens(rows)
    first, second = (table[table["layer"] == layer] for layer in (0, 1))
    assert first["shown"].tolist() == ["the", "city", "größe", "語"]
    assert first["order"].tolist() == [1, 2, 3, 4]
    assert first["rank"].tolist() == [1, 4, 7, 11]
    assert second["shown"].tolist() == ["語", "GRÖSSE", "CITY", "The"]
    # Without the filter every token is shown and seen.
    table = top_tokens(rows, all_tokens=True)
    first = table[table["layer"] == 0]["shown"].tolist()
    assert first == ["␣the", "The", r"\n", *TOKENS[3:8], "<9>", "ab-c", "語"]
    # So many tokens are shown after each block as asked.
    both = pd.concat([rows, rows.assign(task="two")], ignore_index=True)
    assert shown(both, most=1) == ["the", "語"] * 2
    assert len(shown(both, most=3, all_tokens=True)) == 12


def test_of_two_tokens_that_are_one_word_either_may_be_the_answer() -> None:
    tokens = ["Italian", " Italian", "paris", " Paris", "Rome", "rome"]
    table = top_tokens(projected("one", [tokens], {}, answers=[" Italian", " Paris", "Rome"]))
    found = dict(zip(table["shown"], table["is_answer"], strict=True))
    # Words that differ in case are two: with tasks of upper and lower case one alone is right.
    assert found == {"Italian": True, "paris": False, "Rome": True}


def test_a_token_is_visible() -> None:
    tokens = (" a b", "\r\n\t", "\u00a0x\u2028", "\x1b[31m\u202e", "$x^{$", "<0x0A>", "")
    assert [visible(token, 5) for token in tokens] == [
        *("␣a␣b", r"\r\n\t", r"\xa0x\u2028", r"\x1b[31m\u202e", "$x^{$", "<0x0A>", "<5>")
    ]


def test_the_chosen_block_is_that_of_the_central_comparison(rows: pd.DataFrame) -> None:
    deep = projected("one", [["a"]] * 6, {"answers": [1] * 6})
    central = task_rows("one", (0, 9, 9, 9), layers=(2, 5), identified=False)
    found = with_chosen(deep, central)
    columns = ["chosen", "two_above", "layer_identified", "episodes"]
    assert found[columns].drop_duplicates().to_numpy().tolist() == [[2, 4, False, 6]]
    assert set(with_chosen(rows, central)["two_above"]) == {1}


def test_tables_show_the_chosen_block_and_two_above_or_the_last() -> None:
    one = chosen(projected("one", [["a"], ["b"], ["c"], ["d"]], {}), 1)
    two = chosen(projected("two", [["a"], ["b"], ["c"], ["d"]], {}), 3)
    found = at_blocks(top_tokens(pd.concat([one, two], ignore_index=True)))
    assert found[["task", "place", "shown"]].to_numpy().tolist() == [
        ["one", "chosen", "b"],
        ["one", "two above", "d"],
        ["two", "chosen", "d"],
        ["two", "two above", "d"],
    ]
    empty = top_tokens(chosen(projected("one", [["7"]], {}), 0))
    assert at_blocks(empty).empty


def test_ranks_stand_beside_those_of_the_draws() -> None:
    drawn = [{"answers": [100, 5], "city": [9, 9]}, {"answers": [300, 7], "city": [7, 9]}]
    drawn.append({"answers": [120, 1], "city": [1, 9]})
    table = ranks(
        chosen(projected("one", [[], []], {"answers": [10, 2], "city": [4, 3]}, drawn), 0)
    )
    assert table["word"].tolist() == ["", "", "city", "city"]
    assert table["rank"].tolist() == [10, 2, 4, 3]
    assert table["random_rank"].tolist() == [120, 5, 7, 9]
    assert table["random_rank_low"].tolist() == [100, 1, 1, 9]
    assert table["random_rank_high"].tolist() == [300, 7, 9, 9]
    assert table["draws"].tolist() == [3] * 4
    assert table["tokens"].tolist() == [26, 26, 2, 2]
    assert table["random_probability"].tolist() == pytest.approx([1 / 121, 1 / 6, 1 / 8, 1 / 10])


def test_over_tasks_the_best_word_and_the_middle_draw_count() -> None:
    def of_task(name: str, words: Ranks, *drawn: Ranks) -> pd.DataFrame:
        return chosen(projected(name, [], words, drawn), 0)

    table = over_tasks(
        pd.concat(
            [
                of_task("one", {"a": [8], "b": [4]}, {"a": [1], "b": [9]}, {"a": [5], "b": [7]}),
                of_task("two", {"c": [6]}, {"c": [20]}, {"c": [40]}),
                of_task("three", {"answers": [2]}, {"answers": [8]}, {"answers": [10]}),
            ]
        )
    ).set_index(["kind", "vector"])
    quartiles = table.loc[("description", "task"), ["rank", "rank_low", "rank_high", "tasks"]]
    assert quartiles.tolist() == [5, 4.5, 5.5, 2]
    assert table.loc[("description", "random"), ["rank", "tasks"]].tolist() == [16.5, 2]
    assert table["draws"].to_dict() == {
        (kind, vector): 1 + (vector == "random")
        for kind in ("answers", "description")
        for vector in ("task", "random")
    }
    assert table.loc[("answers", "task"), ["rank", "tasks"]].tolist() == [2, 1]
    assert table.loc[("answers", "random"), "rank"] == 9


def test_tokens_that_describe_the_task_are_marked_and_shares_are_counted() -> None:
    words: Ranks = {"answers": [4, 2], "Größe": [3, 3]}
    rows = chosen(projected("one", [TOKENS, ["x"]], words, answers=["city"]), 0)
    top = top_tokens(rows)
    assert top["shown"].tolist() == ["the", "city", "größe", "語", "x"]
    assert top["describes"].tolist() == [False, False, True, False, False]
    table = shares(top)
    assert table[["layer", "answers", "describing", "tokens"]].to_numpy().tolist() == [
        [0, 0.25, 0.25, 4],
        [1, 0, 0, 1],
    ]


def test_a_window_holds_the_blocks_around_the_peak() -> None:
    rows = task_rows("one", (0, 9, 9, 9), layers=(2, 5))
    swept = (rows["split"] == "dev") & (rows["procedure"] == "task_vector")
    rows["correct"] = rows["correct"].where(~swept, rows["layer"].isin([2, 3]))
    assert windows(rows) == {"a-model": (2, 3)}


def test_ours_stand_before_the_papers_task_by_task() -> None:
    tokens = [["a"], ["b"], ["c"], ["d"]]
    rows = [chosen(projected(task, tokens, {}), 1) for task in ("two", "prev_letter")]
    ours = top_tokens(pd.concat(rows, ignore_index=True))
    table = beside_paper(ours, paper_top_tokens(), ["prev_letter", "two"])
    order = table.groupby(["task", "source", "place"], sort=False).size()
    assert order.to_dict() == {
        ("prev_letter", "tvsight", "chosen"): 1,
        ("prev_letter", "tvsight", "two above"): 1,
        ("prev_letter", "paper", "two above"): 60,
        ("two", "tvsight", "chosen"): 1,
        ("two", "tvsight", "two above"): 1,
    }
    paper = table[table["source"] == "paper"]
    assert paper.groupby("model")["order"].agg(list).tolist() == [list(range(1, 21))] * 3
    assert paper["rank"].isna().all()
    assert table.loc[:1, "token"].tolist() == ["b", "d"]
    empty = beside_paper(ours[:0], paper_top_tokens(), ["two"])
    assert empty.empty


def test_a_line_names_the_best_rank_of_answers_and_words() -> None:
    drawn = [{"answers": [1, 1], "city": [1, 1]}]
    rows = projected("one", [["a"], ["b"]], {"answers": [10, 2], "city": [4, 4]}, drawn)
    assert task_line(rows) == "best answers at rank 2 after block 1, “city” at rank 4 after block 0"


def test_the_papers_tokens_are_of_known_models_and_tasks() -> None:
    paper = paper_top_tokens()
    tasks = {"fr_en", "present_simple_gerund", "country_capital", "prev_letter"}
    assert paper.groupby("model")["task"].agg(set).to_dict() == dict.fromkeys(
        ["gpt-j-6b", "llama-7b", "pythia-6.9b"], tasks
    )
    assert set(paper["model"]) <= catalogue().keys()
    assert set(paper["task"]) <= set(PAPER_TASKS)
    assert (paper["layer"] == paper["best_layer"] + 2).all()
    assert set(paper["tokens"].str.split(", ").map(len)) == {20}
