from collections.abc import Callable
from pathlib import Path

from tests.analyses.commands import analysis, cells, imported
from tvsight.tasks import PAPER_TASKS, packaged_tasks


def test_every_task_is_listed_without_model_code() -> None:
    process = analysis("tasks", python=("-X", "importtime"))
    assert process.returncode == 0
    listed = cells(process)
    assert [row[1] for row in listed] == list(packaged_tasks())
    for row, task in zip(listed, packaged_tasks().values(), strict=True):
        first = task.pairs[0]
        example = f"{first.input} → {first.answer}"
        assert row == [
            *(task.category, task.name, example, task.match),
            *(task.inverse or "", str(len(task.pairs))),
        ]
    assert imported(process.stderr) & {"rich", "torch", "transformers", "nnsight"} == {"rich"}


def test_pairs_that_survive_a_tokenizer_are_counted(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    own = tmp_path / "mine.csv"
    own.write_text("".join(f"{letter},{letter}\n" for letter in "abcdefghijklmnopqrstuv"))
    process = analysis(
        *("tasks", "--tasks", "to_upper,present_simple_gerund", "--task-file", own),
        *("--model", tiny_checkpoint("gpt2")),
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert {row[1]: row[-1] for row in cells(process)} == {
        "to_upper": "26 unspaced",
        "present_simple_gerund": "too few",
        "mine": "22 unspaced",
    }


def test_the_selection_of_the_paper_is_its_eighteen_tasks() -> None:
    assert [row[1] for row in cells(analysis("tasks", "--tasks", "paper"))] == list(PAPER_TASKS)


def test_an_unknown_task_is_explained_in_one_line() -> None:
    process = analysis("tasks", "--tasks", "antonym")
    assert (process.returncode, process.stdout) == (2, "")
    (message,) = process.stderr.splitlines()
    assert message.startswith("error: Unknown task 'antonym'. Did you mean 'antonyms'")
