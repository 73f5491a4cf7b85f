import pandas as pd
import pytest

from tvsight.protocol.answer_sets import chance, recognition, recognition_over_tasks

RELIGION = {" Italy": " Christianity", " Iran": " Islam", " Spain": " Christianity"}


def run(
    predicted: list[str], correct: list[bool], asked: dict[str, str], **columns: str
) -> pd.DataFrame:
    """Test rows of one procedure, an episode per query."""
    fixed = {"model": "m", "category": "custom", "split": "test", "procedure": "icl"}
    rows = [
        {"episode": n, "query": query, "expected": answer, "predicted": text, "correct": right}
        for n, ((query, answer), text, right) in enumerate(
            zip(asked.items(), predicted, correct, strict=True)
        )
    ]
    return pd.DataFrame(rows).assign(**fixed | columns)


def test_chance_is_the_most_frequent_answer_of_a_packaged_task() -> None:
    rows = run([""] * 3, [False] * 3, RELIGION, task="location_religion")
    found = chance(rows)
    assert found["chance_answer"] == "Christianity"
    assert found["chance"] == pytest.approx(2 / 3)
    assert found["chance_share"] == pytest.approx(0.337, abs=0.001)


def test_chance_of_a_users_task_comes_from_its_queries_on_dev_and_test() -> None:
    dev = run([""] * 3, [False] * 3, {"a": "y", "b": "y", "c": "x"}, task="own", split="dev")
    test = run([""] * 4, [False] * 4, {"d": "x", "e": "y", "f": "z", "g": "x"}, task="own")
    found = chance(pd.concat([dev, test, test.assign(procedure="baseline")]))
    assert found == {"chance": 0.25, "chance_answer": "y", "chance_share": 3 / 7}


def test_recognition_is_the_share_of_answers_and_learning_the_right_ones_among_them() -> None:
    asked = {f" word{n}": answer for n, answer in enumerate([" a", " b", " c", " a"])}
    icl = run([" b", " b", " no", "a"], [False, True, False, True], asked, task="own")
    baseline = run([" no"] * 4, [False] * 4, asked, task="own", procedure="baseline")
    table = recognition(pd.concat([icl, baseline])).set_index("procedure")
    assert table.loc["icl", ["n", "in_set", "accuracy"]].tolist() == [4, 0.75, 0.5]
    assert table.loc["icl", "accuracy_in_set"] == pytest.approx(2 / 3)
    assert table.loc["baseline", "in_set"] == 0
    assert pd.isna(table.loc["baseline", "accuracy_in_set"])


def test_a_prediction_that_counts_as_right_is_an_answer_and_the_rule_is_the_tasks() -> None:
    # Under `prefix` the beginning of any answer counts; a first token of one letter only where
    # the row says that it is right.
    asked = {" France": " Paris", " Japan": " Tokyo", " Italy": " Rome"}
    texts, right = [" Tok", " T", " R"], [False, True, False]
    (found,) = recognition(run(texts, right, asked, task="country_capital")).to_dict("records")
    assert found["in_set"] == pytest.approx(2 / 3)
    assert found["accuracy_in_set"] == 0.5


def test_over_tasks_a_task_counts_by_its_predictions_in_the_set() -> None:
    asked = {"p": "a", "q": "b"}
    rows = [
        run(["a", "b"], [True, True], asked, task="one"),
        run(["b", "no"], [False, False], asked, task="two"),
    ]
    (found,) = recognition_over_tasks(recognition(pd.concat(rows))).to_dict("records")
    assert (found["tasks"], found["accuracy"], found["in_set"]) == (2, 0.5, 0.75)
    assert found["accuracy_in_set"] == pytest.approx(2 / 3)
    assert (found["accuracy_in_set_low"], found["accuracy_in_set_high"]) == (0, 1)
