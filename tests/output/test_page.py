import pandas as pd

from tests.helpers.recorded import Recorded, Told
from tvsight.output import columns as c
from tvsight.output.page import Page, Table

TABLE = Table(
    "Accuracies of the {vector}",
    "A row is a task of the {vector}.",
    lambda vector: (
        *(c.MODEL, c.TASK, c.estimate("Of {vector}", vector), c.number("Chance", "chance")),
        *(c.of("Better", "better"), c.flag("Known", "known"), c.general("α", "alpha")),
    ),
    part="tasks",
    heading="Accuracy with the {vector}",
    filed=("Chance",),
    each_model=True,
)


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            **{"model": ["a-model", "b-model"], "task": ["to_upper", "own|task"], "tasks": 3},
            **{"mean_state": [0.5, 0.25], "mean_state_low": [0.4, None], "chance": [0.1, None]},
            **{"mean_state_high": [0.6, None], "better": [2, None], "known": [True, False]},
            **{"alpha": [0.5, 2.0]},
        }
    )


def test_a_declared_table_is_shown_and_written() -> None:
    recorded, display = Recorded("x"), Told()
    below = (Table("Below", "", (c.MODEL,)), frame().head(1))
    remark = pd.DataFrame({"Model": ["a-model"], "Note": ["a remark"]})
    Page(display, recorded).table(TABLE.of("mean_state"), frame(), below=[below], notes=[remark])
    cells, beneath, notes = recorded.cells["x_tasks"]
    assert cells.to_numpy().tolist() == [
        ["a-model", "to upper case", "0.50 [0.40, 0.60]", "0.10", "2 of 3", "yes", "0.5"],
        ["b-model", "own|task", "0.25", "–", "–", "no", "2"],
    ]
    assert list(cells)[2] == "Of mean state"
    assert (beneath["Model"].tolist(), notes is remark) == (["a-model"], True)
    assert recorded.escaped["x_tasks"] == {"Model", "Task"}
    wording = recorded.wordings["x_tasks"]
    assert wording == ("Accuracies of the mean state", "A row is a task of the mean state.")
    assert "a-model: Accuracy with the mean state" in display.text
    assert "Below" in display.text
    assert "Chance" not in display.text
    pd.testing.assert_frame_equal(recorded.tables["x_tasks"], frame())


def test_a_table_that_names_no_vector_says_which_it_is_about() -> None:
    table = Table("Blocks", "A row is a block.", (c.BLOCK,), shown=False)
    assert table.of("task_vector") == table._replace(columns=[c.BLOCK])
    assert table.of("mean_state").title == "Blocks (mean state)"
    recorded, display = Recorded("x"), Told()
    Page(display, recorded).table(table, pd.DataFrame({"layer": [3]}))
    assert (display.text, recorded.cells["x"][0]["Block"].tolist()) == ("", ["3"])
