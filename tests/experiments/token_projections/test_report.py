import pandas as pd

from tests.helpers.example_rows import outcome_of, task_rows
from tests.helpers.projection_rows import projected
from tests.helpers.recorded import Recorded, Told
from tvsight.experiments.token_projections import NAME, Options, report
from tvsight.run.outcome import Outcome

TOKENS = [["London", " Paris", "7"], ["city", "town", "London"], ["a"], ["b"], ["c"], ["d"]]
RIGHT = (1, 2, 3, 4)


def outcome(task: str = "one") -> Outcome:
    """Two tasks whose vectors were applied after other blocks, and one that was not projected."""
    drawn = [{"answers": [90] * 6, "city": [8, 8, 8, 8, 9, 9]} for _ in range(2)]
    drawn[1]["city"] = [4] * 6
    ranks = {"answers": [7, 6, 5, 4, 3, 2], "city": [4, 3, 2, 1, 1, 1]}
    central = outcome_of(
        task_rows("two", RIGHT, layers=(0, 1), identified=False),
        task_rows("alone", RIGHT),
        task_rows(task, RIGHT, layers=(3, 1)),
    )
    rows = [projected(name, TOKENS, ranks, drawn, ["city"]) for name in (task, "two")]
    central.add(outcome_of(*rows, experiment=NAME))
    return central


def written(task: str = "one", **options: bool) -> tuple[Recorded, Told]:
    drawn, display = Recorded(NAME), Told()
    report.draw(outcome(task), Options(**options), display, drawn)
    return drawn, display


def test_each_task_has_the_block_that_was_chosen_for_it() -> None:
    drawn, _ = written()
    (tokens,) = drawn.cells[NAME]
    assert tokens[["Task", "After block", "Tokens"]].to_numpy().tolist() == [
        ["one", "3 (chosen)", "b"],
        ["one", "5 (two above)", "d"],
        ["two", "0 (chosen, not identified)", "London, Paris"],
        ["two", "2 (two above)", "a"],
    ]
    assert drawn.tables[NAME]["token"].tolist() == ["b", "d", "London", "Paris", "a"]
    assert set(drawn.figures) == {*(NAME, f"{NAME}_overview_a-model", f"{NAME}_by_task_a-model")}
    assert "n = 6 dev episodes" in drawn.figures[f"{NAME}_by_task_a-model"].caption
    assert drawn.tables[f"{NAME}_overview"]["tokens"].sum() > 0
    (ranks,) = drawn.cells[f"{NAME}_ranks"]
    row = ranks[(ranks["Task"] == "one") & (ranks["What"] == "“city”")].iloc[1]
    assert row.drop(["Model", "Category"]).to_dict() == {
        "Task": "one",
        "After block": "5 (two above)",
        "What": "“city”",
        "Rank": "1",
        "Rank, random": "6 (4 to 9)",
        "Probability": "0.5",
        "Probability, random": "0.2 (0.1 to 0.2)",
    }
    answers = ranks[ranks["What"] == "26 answers"].iloc[0]
    assert answers["Rank, random"] == "90"


def test_a_block_near_the_last_says_so_and_a_tiny_probability_is_small() -> None:
    row = pd.Series({"place": "two above", "layer": 5, "chosen": 4, "layer_identified": True})
    assert report._block(row) == "5 (the last, one above)"
    assert report._block(row.replace(4, 5)) == "5 (chosen, the last)"
    assert report._text(pd.Series({"probability": 1e-10}), "probability") == "<1e-9"
    assert report._text(pd.Series({"probability": 1e-9}), "probability") == "1e-9"


def test_all_tokens_are_set_apart_by_two_spaces() -> None:
    drawn, display = written(all_tokens=True)
    (tokens,) = drawn.cells[NAME]
    assert tokens["Tokens"].tolist()[2] == "London  ␣Paris  7"
    assert drawn.escaped[NAME] >= {"Model", "Task", "Tokens"}
    assert drawn.escaped[f"{NAME}_ranks"] >= {"Model", "Category", "Task", "What"}
    assert "Most probable tokens of task vectors" in display.text
    # The paper's tokens follow ours.
    (tokens,) = written(task="prev_letter")[0].cells[NAME]
    assert tokens["Model"].tolist() == [
        *["a-model"] * 2,
        "GPT-J 6B (paper)",
        "LLaMA 7B (paper)",
        "Pythia 6.9B (paper)",
        *["a-model"] * 2,
    ]
