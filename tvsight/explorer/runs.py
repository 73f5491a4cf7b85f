"""The results of a folder by run: one model with one set of options."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from tvsight.explorer import CENTRAL, EXPERIMENTS
from tvsight.output.labels import display_name
from tvsight.progress import Moved, nobody
from tvsight.prompts.templates import Template, template_name
from tvsight.run.outcome import Stored
from tvsight.storage.choice import Choice
from tvsight.storage.inspection import Entry, Finding, entries
from tvsight.storage.joining import SETTINGS, together
from tvsight.storage.manifests import EPISODES_FILE, Key
from tvsight.storage.store import DamagedResult, Store
from tvsight.storage.versions import LaterVersion
from tvsight.tasks import in_order

FEW = ("model", "task", "category", "measured_on")
"""Columns of every experiment with few values. As categories they take a tenth of the time."""


@dataclass
class Run:
    """Results of one model that were measured with the same options and file of episodes."""

    model: str
    settings: dict[str, Any]
    results: dict[str, list[Stored]] = field(default_factory=dict)
    """By experiment, one for each task and method."""
    data: dict[str, str] = field(default_factory=dict)
    """The checksum of the pairs of each task."""

    @property
    def options(self) -> dict[str, str]:
        """The options that tell runs of a model apart, as texts."""
        known = self.settings
        shown = {
            "seed": known["seed"],
            "shots": known["shots"],
            "template": template_name(Template(known["template"] or "")),
            "precision": known["dtype"],
            "episodes": known["episodes_per_split"],
            "dummy queries": known["dummy_queries"],
            "answer tokens": known["answer_tokens"] or 1,
            "division": known["division"],
        }
        texts = {
            name: "from a file" if value is None else str(value) for name, value in shown.items()
        }
        if known[EPISODES_FILE]:
            texts["episodes"] += f" {known[EPISODES_FILE][:7]}"
        kind, _, digits = str(known["weights"]).partition(":")
        return texts | {"weights": f"{kind} {digits[:7]}"}

    @property
    def tasks(self) -> list[str]:
        """The tasks of the central comparison, in the order of all tables."""
        return in_order(
            {one.key.task: str(one.rows["category"].iloc[0]) for one in self.results[self.central]}
        )

    @property
    def central(self) -> str:
        """The experiment that is the central comparison of this run."""
        return "answers" if "answers" in self.results else "main_results"

    @property
    def further(self) -> str:
        """The experiment of further methods on the episodes of the central comparison."""
        return "method_answers" if self.central == "answers" else "methods"

    @property
    def size(self) -> int:
        """The number of its results."""
        return sum(map(len, self.results.values()))

    @property
    def methods(self) -> list[str]:
        """The further methods that were measured."""
        return list(dict.fromkeys(one.method for one in self.results.get(self.further, [])))

    def rows(self, *experiments: str) -> pd.DataFrame:
        """The rows of some experiments, on the tasks of the central comparison, in one table."""
        tasks = set(self.tasks)
        found = [one for name in experiments for one in self.results.get(name, [])]
        return pd.concat([one.rows for one in found if one.key.task in tasks], ignore_index=True)

    def of(self, experiment: str, task: str) -> list[Stored]:
        """The results of one experiment on one task: several where there are several methods."""
        return [one for one in self.results.get(experiment, []) if one.key.task == task]


@dataclass(frozen=True)
class Folder:
    """The runs of a results folder that have a central comparison, and what else was found."""

    runs: list[Run]
    counts: dict[tuple[str, str], int]
    """The number of results by model and experiment, of all experiments."""
    problems: list[Finding]


def read_folder(
    store: Store,
    choice: Choice,
    found: tuple[list[Entry], list[Finding]] | None = None,
    seen: Moved = nobody,
) -> Folder:
    """Read and verify results. What is damaged is left out, and named.

    Args:
        found: from `entries`, where the folder was looked at already.
        seen: called with each result that is read.

    Raises:
        UsageError: when there is no such folder, or a chosen name is in none of its results.
    """
    readable, unusable = found or entries(store)
    used = (one for one in readable if one.identity["experiment"] in EXPERIMENTS)
    kept, apart = together(used, CENTRAL)
    chosen = choice.of(readable)
    paths = {entry.path for entry in chosen}
    problems = list(unusable)
    problems += [Finding(one.path, "different", why) for one, why in apart if one.path in paths]
    counts = Counter((entry.identity["model"], entry.identity["experiment"]) for entry in chosen)
    runs = []
    for options, of_run in kept.items():
        settings = dict(zip((*SETTINGS, EPISODES_FILE), options, strict=True))
        run = Run(settings["model"], settings)
        runs.append(run)
        for entry in _newest([entry for entry in of_run if entry.path in paths]):
            try:
                store.verified(entry.path, keep_rows=True)
            except (DamagedResult, LaterVersion) as damage:
                problems.append(Finding(entry.path, "damaged", str(damage)))
                continue
            seen(entry.path)
            identity = entry.identity
            run.data[identity["task"]] = str(identity.get("task_data"))
            rows = store.rows(entry.path).astype(dict.fromkeys(FEW, "category"))
            store.forget(entry.path)  # rows are in memory once
            key = Key(identity["model"], identity["task"])
            stored = Stored(key, entry.path, rows, "", identity.get("method", ""))
            run.results.setdefault(identity["experiment"], []).append(stored)
    central = [run for run in runs if run.central in run.results]
    return Folder(_sorted(central), dict(counts), list(dict.fromkeys(problems)))


def labels(runs: Sequence[Run]) -> list[str]:
    """A name for each run: its model, and the options in which its runs differ."""
    texts: dict[tuple[str, str], set[str]] = {}
    for run in runs:
        for name, text in run.options.items():
            texts.setdefault((run.model, name), set()).add(text)
    named = []
    for run in runs:
        telling = [
            f"{name} {text}"
            for name, text in run.options.items()
            if len(texts[run.model, name]) > 1
        ]
        named.append(" · ".join([display_name(run.model), *telling]))
    return named


def _newest(of_run: Sequence[Entry]) -> list[Entry]:
    """The newest of the results that only differ in options of their experiment.

    Args:
        of_run: from `together`, the newest of an experiment first.
    """
    found: dict[tuple[Any, ...], Entry] = {}
    for entry in of_run:
        own = tuple(entry.identity.get(name) for name in ("experiment", "task", "method"))
        found.setdefault(own, entry)
    return sorted(found.values(), key=lambda entry: entry.path)


def _sorted(runs: list[Run]) -> list[Run]:
    """The models and runs with the most results first."""
    of_model = Counter[str]()
    for run in runs:
        of_model[run.model] += run.size
    return sorted(
        runs,
        key=lambda run: (
            -of_model[run.model],
            run.model,
            -run.size,
            json.dumps([run.settings[name] for name in ("shots", "seed", "template")]),
        ),
    )
