"""One episode on the terminal: its prompt, and the answers of every procedure."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from tvsight.config import Count, Folder
from tvsight.errors import UsageError, nearest

if TYPE_CHECKING:
    from tvsight.explorer.runs import Run


@dataclass(frozen=True)
class Options:
    """The episode to show. Of several runs the one with the most results is taken."""

    task: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="TASK")]]
    """The name of the task."""
    episode: Count = 0
    """The number of the episode within its split, from 0."""
    split: Literal["test", "dev"] = "test"
    """On dev, the vectors' answers after every block are shown."""
    results: Folder = "results"
    """The results folder."""
    model: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """The model, named as `python -m analyses.results list` names it."""
    seed: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """The seed of the run."""
    shots: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """The number of demonstrations of the run."""
    template: Annotated[str | None, tyro.conf.arg(metavar="TEMPLATE")] = None
    """The prompt template of the run."""


def main(options: Options) -> int:
    """Print the episode; returns the exit code."""
    from tvsight.explorer.runs import labels, read_folder
    from tvsight.explorer.terminal import answer_tables, prompt_panel
    from tvsight.output.console import Display
    from tvsight.storage.choice import Choice
    from tvsight.storage.inspection import entries
    from tvsight.storage.store import Store

    store, display = Store(options.results), Display()
    found = entries(store)
    tasks = {str(entry.identity["task"]) for entry in found[0]}
    if options.task not in tasks:
        raise UsageError(
            f"{options.task!r}: no result of such a task in {options.results}."
            f"{nearest(options.task, tasks)} `python -m analyses.results list` says what there is."
        )
    models = (options.model,) if options.model else ()
    runs = read_folder(store, Choice(models, options.task), found).runs
    run, label = _chosen(options, runs, labels(runs))
    where = (options.task, options.split, options.episode)
    display.console.print(prompt_panel(run, label, *where, store))
    for title, table in answer_tables(run, *where).items():
        display.table(table, title)
    return 0


def _chosen(options: Options, runs: "list[Run]", named: list[str]) -> "tuple[Run, str]":
    """The first run that has the options, and its name.

    Raises:
        UsageError: when there is none.
    """
    asked = {name: getattr(options, name) for name in ("seed", "shots", "template")}
    wanted = {name: str(value) for name, value in asked.items() if value is not None}
    for run, label in zip(runs, named, strict=True):
        if wanted.items() <= run.options.items():
            return run, label
    raise UsageError(
        f"{options.task}: no run of the central comparison has these options. There are: "
        f"{'; '.join(named) or 'none'}."
    )
