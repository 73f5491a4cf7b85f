"""One episode of one run as text for a terminal."""

from typing import Any

import pandas as pd
from rich.console import Group
from rich.panel import Panel
from rich.text import Text

from tvsight.errors import UsageError
from tvsight.explorer.detail import FURTHER
from tvsight.explorer.runs import Run
from tvsight.output.labels import MISSING, number, task_title
from tvsight.output.procedures import PROCEDURES
from tvsight.storage.store import Store
from tvsight.texts import one_line

NOT_STORED = "The demonstrations are not stored: an early version measured this result."


def shown(word: str) -> str:
    """A word on one line, its first space visible."""
    return ("␣" if word.startswith(" ") else "") + one_line(word)


def prompt_panel(run: Run, label: str, task: str, split: str, episode: int, store: Store) -> Panel:
    """Demonstrations, query, and accepted answers of an episode.

    Raises:
        UsageError: when there is no such episode.
    """
    (central,) = run.of(run.central, task)
    of_split = central.rows[central.rows["split"] == split]
    count = int(of_split["episode"].max()) + 1
    if not 0 <= episode < count:
        raise UsageError(f"--episode {episode}: {task} has {split} episodes 0 to {count - 1}.")
    row = of_split[of_split["episode"] == episode].iloc[0]
    stored = store.episodes(central.path)
    lines = [Text(NOT_STORED, "dim")]
    accepted = [row["expected"]]
    if stored is not None:
        kept = stored[(stored["split"] == split) & (stored["episode"] == episode)].iloc[0]
        pairs = zip(kept["inputs"], kept["answers"], strict=True)
        lines = [Text(f"{shown(given)} → {shown(answer)}") for given, answer in pairs]
        accepted = kept["accepted"]
    asked = Text.assemble((shown(row["query"]), "bold"), " → ", (shown(accepted[0]), "bold green"))
    others = ", ".join(map(shown, accepted[1:]))
    if others:
        asked.append(f"  (or {others})", "dim")
    title = Text(f"{task_title(task)}, {split} episode {episode} · {one_line(label)}")
    return Panel(Group(*lines, Text(), asked), title=title, title_align="left", expand=False)


def answer_tables(run: Run, task: str, split: str, episode: int) -> dict[str, pd.DataFrame]:
    """The answers to an episode as texts, by title: of every procedure, and on dev of every vector
    after each block, with the log-probability of the expected answer."""
    results = [one for name in (run.central, *FURTHER) for one in run.of(name, task)]
    rows = pd.concat([one.rows for one in results if not (one.method and "source" in one.rows)])
    rows = rows[(rows["split"] == split) & (rows["episode"] == episode)]
    rows = rows[rows["procedure"] != "mean_vector"]
    blocks = rows.groupby("procedure", sort=False)["layer"].transform("nunique")
    single = [_cells(row) for row in rows[blocks < 2].to_dict("records")]
    tables = {"Answers": pd.DataFrame(single)}
    swept = rows[blocks > 1]
    if len(swept):
        after = [
            f"{_marked(row)} {number(row['log_probability'])}" for row in swept.to_dict("records")
        ]
        cells = swept.assign(cell=after)
        table = cells.pivot(index="layer", columns="procedure", values="cell").fillna(MISSING)
        order = [name for name in PROCEDURES if name in table]
        named = table[order].rename(columns=lambda name: PROCEDURES[name].title)
        named.insert(0, "Block", named.index.astype(str))
        tables["Answers after each block, with the log-probability of the expected one"] = named
    return tables


def _cells(row: dict[Any, Any]) -> dict[str, str]:
    known = PROCEDURES.get(row["procedure"])
    return {
        "Procedure": known.title if known else row["procedure"],
        "Block": MISSING if pd.isna(row["layer"]) else str(row["layer"]),
        "Answer": _marked(row),
        "Log-probability": number(row["log_probability"]),
        "Margin": number(row["margin"]),
    }


def _marked(row: dict[Any, Any]) -> str:
    return f"{'✓' if row['correct'] else '✗'} {shown(row['predicted'])}"
