"""A store with two runs of one model, whose names and words are hostile, and its page."""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from tests.helpers.example_rows import task_rows
from tests.helpers.example_store import IDENTITY, MADE
from tests.helpers.hostile import WORDS
from tvsight.explorer.page import page
from tvsight.explorer.runs import Folder, read_folder
from tvsight.prompts import Episode
from tvsight.prompts.episodes import SPLITS
from tvsight.storage.choice import Choice
from tvsight.storage.episode_tables import tabled
from tvsight.storage.store import Result, Store

ATTACK = (
    "</script><script>document.title='owned'</script><img src=x onerror=document.title='owned'>"
)
MODEL = f"org/{ATTACK}"
TASK = f"mine {ATTACK} \u202egnp.exe"
TASKS = (TASK, "antonyms")


def rows_of(task: str, right: tuple[int, int, int, int]) -> pd.DataFrame:
    """Six episodes on each split, with hostile words for queries and answers."""
    rows = task_rows(task, right, model=MODEL, n=6)
    rows = rows.query("split == 'test' or procedure != 'icl'").reset_index(drop=True)
    words = list(WORDS.values())
    told = [words[number % len(words)] for number in range(len(rows))]
    queries = [f"{query} {ATTACK}" for query in rows["query"]]
    return rows.assign(predicted=told, query=queries, expected=f" {ATTACK}")


def episodes_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Episodes with hostile demonstrations, as they lie beside such rows."""
    parts = []
    for split in SPLITS:
        asked = rows[(rows["split"] == split) & (rows["procedure"] == "baseline")]
        shown = tuple((word, f" {ATTACK}") for word in WORDS.values())
        episodes = [
            Episode("mine", split, shown, query, (f" {ATTACK}", "b"), ("c",))
            for query in asked["query"]
        ]
        parts.append(tabled(episodes, [["<s>", ATTACK, "->"]] * len(episodes)))
    return pd.concat(parts, ignore_index=True)


def explored_store(root: Path) -> Store:
    """Two tasks with seed 0, which have their episodes, and with seed 1, which lack them."""
    store = Store(root)
    for seed in (0, 1):
        for task in TASKS:
            rows = rows_of(task, (1, 5, 4 - seed, 3))
            identity: dict[str, Any] = {**IDENTITY, "model": MODEL, "task": task, "seed": seed}
            episodes = episodes_of(rows) if seed == 0 else None
            store.save(Result(identity), rows, None, MADE, episodes)
    return store


def explored_folder(store: Store) -> Folder:
    return read_folder(store, Choice())


def explored_page(store: Store) -> str:
    return page(explored_folder(store), store, None)


def blocks(text: str) -> dict[str, str]:
    """What stands in each script element of a page that has an id."""
    return dict(re.findall(r'<script type="[^"]*" id="([^"]*)">([^<]*)</script>', text))
