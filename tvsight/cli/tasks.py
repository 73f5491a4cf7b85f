"""The tasks (Table 1 of the paper and more), and the number of pairs of each that suit a model."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from tvsight.config import Files, Rules, Selection
from tvsight.tasks import Task, select

SHARED = "Shared first token"


@dataclass(frozen=True)
class Options:
    """The tasks to list, and the model to count pairs for."""

    rules = Rules(needs={"template": "model"})

    tasks: Selection = "all"
    """Names and categories separated by commas, `paper`, `all`, or `none`."""
    task_file: Files = ()
    """Files with tasks of your own, or folders of them."""
    model: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Count the pairs that survive this model's tokenizer, and those whose answer begins with the
    same token as a wrong one; no weights are loaded."""
    template: str = "example"
    """Prompt template that the pairs are counted under."""


def main(options: Options) -> int:
    """Print the table of tasks; returns the exit code."""
    import pandas as pd

    from tvsight.output.console import Display
    from tvsight.output.labels import example

    tasks = select(options.tasks, options.task_file)
    rows = [
        {
            "Category": task.category,
            "Task": task.name,
            "Example": example(task.pairs[0]),
            "Match": task.match,
            "Inverse": task.inverse or "",
            "Pairs": str(len(task.pairs)),
        }
        for task in tasks
    ]
    if options.model is not None:
        counted = _counts(tasks, options.model, options.template)
        for row, counts in zip(rows, counted, strict=True):
            row |= counts
    Display().table(pd.DataFrame(rows), "Tasks", ["Match", "Inverse"])
    return 0


def _counts(tasks: list[Task], model: str, chosen: str) -> list[dict[str, str]]:
    from tvsight.errors import UsageError
    from tvsight.models.loading import load_tokenizer
    from tvsight.prompts import template, usable_pairs
    from tvsight.prompts.filtering import shared_first_tokens

    tokenizer, prompt = load_tokenizer(model), template(chosen)
    counts = []
    for task in tasks:
        try:
            usable = usable_pairs(task, tokenizer, prompt, model)
        except UsageError:
            counts.append({"Usable": "too few", SHARED: ""})
        else:
            shared = shared_first_tokens(tokenizer, usable.pairs, prompt)
            spacing = "spaced" if usable.spaced else "unspaced"
            counts.append(
                {"Usable": f"{len(usable.pairs)} {spacing}", SHARED: str(shared["answers"])}
            )
    return counts
