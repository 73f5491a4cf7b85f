import pandas as pd

from tests.helpers.example_rows import task_rows
from tvsight.experiments.failures.numbers import KINDS, OTHER, by_task, confusion


def rows_of(task: str, answers: list[tuple[str, str, str]]) -> pd.DataFrame:
    """Test rows of ICL and of the vector: query, expected and predicted of each episode."""
    rows = task_rows(task, (0, 0, 0, 0), n=len(answers))
    test = rows["split"] == "test"
    for number, (query, expected, predicted) in enumerate(answers):
        at = test & (rows["episode"] == number)
        rows.loc[at, ["query", "expected", "predicted"]] = (query, f" {expected}", f" {predicted}")
        rows.loc[at, "correct"] = expected == predicted
    return rows


def test_a_wrong_answer_has_the_first_kind_that_fits() -> None:
    rows = rows_of(
        "prev_letter",
        [("d", "c", "c"), ("d", "c", "d"), ("d", "c", "e"), ("d", "c", "q"), ("d", "c", "%")],
    )
    (icl, vector) = by_task(rows).to_dict("records")
    assert [icl[kind] for kind in KINDS] == [1, 0, 1, 1, 1]
    assert (icl["n"], icl["wrong"], icl["procedure"]) == (5, 4, "icl")
    assert icl["confused_with"] == "next_letter"
    assert set(icl["examples"].split(", ")) <= {"d (1)", "e (1)", "q (1)", "% (1)"}
    assert vector["procedure"] == "task_vector"


def test_an_answer_in_another_language_is_a_kind_of_its_own() -> None:
    said = [("here", "aquí", "ici"), ("rule", "regla", "regola"), ("win", "ganar", "won")]
    icl = by_task(rows_of("en_es", said)).iloc[0]
    assert icl[list(KINDS)].tolist() == [0, 2, 1, 0, 0]  # en_fr, en_it; the past of win
    back = by_task(rows_of("fr_en", [("important", "important", "importante")])).iloc[0]
    assert back["other_language"] == 0


def test_kinds_of_a_users_task_are_counted_too() -> None:
    rows = rows_of("mine", [("one", "uno", "on"), ("two", "due", "uno"), ("six", "sei", "sei")])
    icl = by_task(rows).iloc[0]
    assert icl[["query", "other_task", "in_set", "other"]].tolist() == [1, 0, 1, 0]
    assert icl["confused_with"] == ""


def test_confusions_are_counted_by_answer() -> None:
    faiths = ("Islam", "Hinduism")
    rows = rows_of(
        "location_religion",
        [("Iran", faiths[0], faiths[0]), ("Iraq", faiths[0], "Hind"), ("India", faiths[1], "x")],
    )
    rows = rows[rows["split"] == "test"]
    icl = confusion(rows).query("procedure == 'icl'")
    found = icl[["expected", "given", "times", "n"]].to_numpy().tolist()
    assert sorted(found) == [
        ["Hinduism", OTHER, 1, 1],
        ["Islam", "Hinduism", 1, 2],
        ["Islam", "Islam", 1, 2],
    ]


def test_tasks_of_one_or_of_many_answers_have_no_confusions() -> None:
    many = rows_of("mine", [(f"q{n}", f"answer {n}", "x") for n in range(20)])
    assert confusion(many).empty
    assert confusion(task_rows("one", (1, 2, 3, 4))).empty
