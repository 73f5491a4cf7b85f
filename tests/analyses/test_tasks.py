import json
from collections.abc import Callable
from pathlib import Path

from tests.helpers.called_commands import called
from tests.helpers.commands import analysis, cells, imported
from tvsight.output.labels import example
from tvsight.tasks import PAPER_TASKS, packaged_tasks


def test_every_task_is_listed_without_model_code() -> None:
    process = analysis("tasks", python=("-X", "importtime"))
    assert process.returncode == 0
    listed = cells(process)
    assert [row[1] for row in listed] == list(packaged_tasks())
    for row, task in zip(listed, packaged_tasks().values(), strict=True):
        assert row == [
            *(task.category, task.name, example(task.pairs[0]), task.match),
            *(task.inverse or "", str(len(task.pairs))),
        ]
    assert imported(process.stderr) & {"rich", "torch", "transformers", "nnsight"} == {"rich"}


def test_pairs_that_survive_a_tokenizer_are_counted(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    own = tmp_path / "mine.csv"
    letters = "abcdefghijklmnopqrstuv"
    own.write_text(
        "".join(f"{pair}\n" for pair in ("input,output", *(f"{x},{x}" for x in letters)))
    )
    alike = tmp_path / "alike.json"
    pairs = [[x, f"QW{x}" if x in "abc" else x] for x in letters]
    alike.write_text(json.dumps({"name": "alike", "match": "prefix", "pairs": pairs}))
    process = called(
        *("tasks", "--tasks", "to_upper,present_simple_gerund", "--task-file", own, alike),
        *("--model", tiny_checkpoint("gpt2")),
    )
    heading = f"{own}, line 1: 'input,output' is read as the names of the columns."
    assert process.returncode == 0
    assert process.stderr == f"note: {heading} If it is a pair, put it on another line.\n"
    assert {row[1]: tuple(row[-2:]) for row in cells(process)} == {
        "to_upper": ("26 unspaced", "0"),
        "present_simple_gerund": ("too few", ""),
        "mine": ("22 unspaced", "0"),
        "alike": ("22 unspaced", "3"),
    }


def test_the_selection_of_the_paper_is_its_eighteen_tasks() -> None:
    assert [row[1] for row in cells(called("tasks", "--tasks", "paper"))] == list(PAPER_TASKS)


def test_an_unknown_task_is_explained_in_one_line() -> None:
    process = called("tasks", "--tasks", "antonym")
    assert (process.returncode, process.stdout) == (2, "")
    (message,) = process.stderr.splitlines()
    assert message.startswith("error: Unknown task 'antonym'. Did you mean 'antonyms'")
