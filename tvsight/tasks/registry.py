"""Find tasks by name, and resolve the selections of a command line."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

from tvsight.errors import UsageError, nearest, option, unexpected
from tvsight.tasks.files import read_relation, read_task_file
from tvsight.tasks.folders import task_files
from tvsight.tasks.generated import capitalised, first_letters, generated_tasks
from tvsight.tasks.task import CATEGORIES, Task

PAPER_TASKS = (
    *("next_letter", "prev_letter", "list_first", "list_last", "to_upper", "to_lower"),
    *("fr_en", "es_en", "en_fr", "en_es"),
    *("present_simple_gerund", "present_simple_past_simple", "plural_singular", "antonyms"),
    *("country_capital", "person_language", "location_continent", "location_religion"),
)
"""The 18 tasks of the paper (Table 1), by category."""


@cache
def packaged_tasks() -> dict[str, Task]:
    """The tasks that come with tvsight: the paper's 18 in its order, then the others by name."""
    tasks = {task.name: task for task in generated_tasks()}
    folder = files("tvsight.tasks").joinpath("data")
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        for task in read_relation(file.read_text(encoding="utf-8"), file.name):
            tasks[task.name] = task
    nouns = [pair.input for pair in tasks["singular_plural"].pairs]
    tasks |= {task.name: task for task in (capitalised(nouns), first_letters(nouns))}
    paper = {name: tasks[name] for name in PAPER_TASKS}
    return paper | dict(sorted(tasks.items()))


def task(name: str) -> Task:
    """A packaged task by name.

    Raises:
        UsageError: for an unknown name; the message has the nearest ones.
    """
    known = packaged_tasks()
    if not isinstance(name, str):
        raise unexpected("task", "the name of a packaged task", name)
    if name not in known:
        raise _unknown(name, known)
    return known[name]


def in_order(categories: Mapping[str, str]) -> list[str]:
    """Names of tasks in the order of every table and figure.

    By category; within one the paper's tasks in its order, then the other packaged ones, then
    those of users as they are given.

    Args:
        categories: the category of each task.
    """
    places = {name: place for place, name in enumerate(packaged_tasks())}
    ranks: dict[str, int] = {category: rank for rank, category in enumerate(CATEGORIES)}

    def place(name: str) -> tuple[int, int]:
        return ranks.get(categories[name], len(ranks)), places.get(name, len(places))

    return sorted(categories, key=place)


def select(
    selection: str, own_files: Iterable[str] = (), own_tasks: Iterable[Task] = ()
) -> list[Task]:
    """The tasks that a selection names.

    Args:
        selection: names and categories, separated by commas; `paper` (the paper's 18); `all`; or
            `none`, which leaves only the tasks of `own_files`.
        own_files: files with the user's own tasks, and folders of such files. Their tasks join
            the selection.
        own_tasks: further tasks, which join it too.

    Raises:
        UsageError: for an unknown name, an empty selection, a broken file, or a file whose task
            has the name of another task.
    """
    own = _own_tasks(own_files)
    for task in own_tasks:
        if own.setdefault(task.name, packaged_tasks().get(task.name, task)) != task:
            raise UsageError(f"There is another task named {task.name!r}; rename yours.")
    known = packaged_tasks() | own
    chosen: dict[str, Task] = {}
    for word in filter(None, (word.strip() for word in selection.split(","))):
        chosen |= {name: known[name] for name in _meant(word, known)}
    chosen |= own
    if not chosen:
        raise UsageError(
            f"No task selected: give {option('tasks')} names, a category, paper or all."
        )
    return list(chosen.values())


def _meant(word: str, known: dict[str, Task]) -> list[str]:
    groups = {"none": [], "paper": list(PAPER_TASKS), "all": list(known)}
    if word in groups:
        return groups[word]
    if word in CATEGORIES:
        return [name for name, task in known.items() if task.category == word]
    if word in known:
        return [word]
    raise _unknown(word, (*known, *CATEGORIES, "paper", "all"))


def _unknown(name: str, known: Iterable[str]) -> UsageError:
    return UsageError(
        f"Unknown task {name!r}.{nearest(name, known)} `python -m analyses.tasks` lists the tasks."
    )


def _own_tasks(paths: Iterable[str]) -> dict[str, Task]:
    own: dict[str, Task] = {}
    files_of: dict[str, str] = {}
    for path in (file for named in paths for file in task_files(named)):
        task = read_task_file(path, packaged=packaged_tasks())
        if task.name in packaged_tasks() or task.name in own:
            there = f" (of {files_of[task.name]})" if task.name in own else ""
            raise UsageError(
                f"{path}: there is a task named {task.name!r} already{there}; rename yours."
            )
        own[task.name] = task
        files_of[task.name] = path
    return own
